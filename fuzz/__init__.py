"""Coverage-guided fuzzing of everything that takes bytes apart: `python -m fuzz TARGET` (docs/hostile_input.md)."""
