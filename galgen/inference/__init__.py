"""From a catalogue to cosmology: posteriors with their own error bars, and tests of calibration."""
