"""The HTTP API: blueprints, request and response formats, problem details, and the OpenAPI document."""
