"""API keys in a file: changed by commands, reloaded by the service."""
