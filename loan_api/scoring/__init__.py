"""From applications to probabilities."""
