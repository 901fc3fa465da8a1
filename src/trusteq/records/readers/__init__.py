"""Whose files can be read? A file here for each format; adding one is adding a file."""
