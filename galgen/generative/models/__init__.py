"""Families of generative models: each a loss and a way to draw."""
