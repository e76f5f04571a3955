"""Tests of generated against held-out measurements, each with its noise."""
