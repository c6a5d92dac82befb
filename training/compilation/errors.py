"""Why a fitted pipeline stays without a compiled form."""

from training.errors import TrainingError


class NotCompilableError(TrainingError):
    """The pipeline has no compiled form, or none that equals it. The reference pipeline serves instead."""
