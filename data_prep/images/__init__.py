"""Finds image files, and reads them as 8-bit pixels."""
