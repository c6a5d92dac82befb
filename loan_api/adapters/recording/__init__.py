"""Records on their way to the database: one process writes for all, and a journal takes over where it cannot."""
