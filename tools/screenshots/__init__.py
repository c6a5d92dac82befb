"""Screenshots for the documentation, taken from the running system."""
