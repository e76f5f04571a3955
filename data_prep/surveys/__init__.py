"""Surveys on the sky: columns, distances, cubes inside the footprint."""
