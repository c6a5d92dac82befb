"""Files that people edit while the service runs."""
