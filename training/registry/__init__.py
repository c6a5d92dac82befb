"""The model registry: packaging, versions, the promotion gate, promotion and its history."""
