"""What a sweep raises when its runs fail."""

from fitting.errors import DistillawError


class RunError(DistillawError):
    """Cells failed, or were stopped before their end."""

    exit_code = 3
