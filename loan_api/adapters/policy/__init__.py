"""The file with the credit policy."""
