"""The child processes of the service, one module each."""
