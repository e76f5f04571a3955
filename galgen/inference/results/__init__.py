"""Posteriors in files, tables and pictures."""
