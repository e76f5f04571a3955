"""galgen: point-cloud generative modelling for cosmology."""

__version__ = "0.1.0"
