"""The likelihood of whole catalogues, and posteriors on a grid."""
