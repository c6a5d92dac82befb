"""Model selection: the candidates, their evaluation, and the choice of the winner."""
