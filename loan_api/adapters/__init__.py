"""The driven side: everything that the services call through their ports."""
