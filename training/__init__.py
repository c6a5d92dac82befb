"""From data to a model in production."""
