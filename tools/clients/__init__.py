"""Generators of the Python and TypeScript clients from the service's OpenAPI document."""
