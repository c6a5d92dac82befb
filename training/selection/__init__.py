"""The competition: candidates, how each is measured, and which one wins."""
