"""Runs: teachers and students trained on a grid, their cross-entropy logged against FLOPs."""

DISTRIBUTION = "distillaw"
"""Tells this room from the old package of the same import name on PyPI."""
