"""Priors of parameters, and maps between bounded and unbounded parameters."""
