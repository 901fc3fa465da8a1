"""The command `trusteq`."""
