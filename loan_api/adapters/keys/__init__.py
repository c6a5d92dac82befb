"""API keys in a file: written by the commands, followed by the service."""
