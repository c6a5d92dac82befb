"""The data: read, checked, split, profiled."""
