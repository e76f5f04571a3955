"""What a denoiser is trained for: predictions, weights, times, exchanged targets."""
