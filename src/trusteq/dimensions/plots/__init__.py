"""Plots that are too long for their dimension's file."""
