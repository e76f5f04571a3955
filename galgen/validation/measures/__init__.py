"""What is measured of a catalogue, and the mean of it over a set."""
