"""Reasons: methods over units, and their comparison."""
