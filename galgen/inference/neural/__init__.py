"""Networks that are trained to infer: posteriors, likelihoods, ratios, regression, classes."""
