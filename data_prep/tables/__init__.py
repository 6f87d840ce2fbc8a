"""Reads tables of galaxies in any format, exactly."""
