"""Readers of the files of halo finders and simulations, one source each."""
