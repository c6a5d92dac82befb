"""The driving side: everything that calls the services."""
