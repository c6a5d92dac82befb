"""The domain: features, what is derived from them, decisions, errors."""
