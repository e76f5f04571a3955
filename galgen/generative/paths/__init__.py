"""Probability paths from a base distribution to the data."""
