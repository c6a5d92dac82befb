"""The decision log's database."""
