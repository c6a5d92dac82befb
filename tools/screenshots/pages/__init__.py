"""Pages of each part of the system: every function prepares a page for its screenshot."""
