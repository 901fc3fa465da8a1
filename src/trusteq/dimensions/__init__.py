"""One file for each way to differ, with everything that is known of it; adding a dimension is adding a file here."""
