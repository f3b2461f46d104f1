"""Decisions: what a training budget should buy, with or without a teacher."""

DISTRIBUTION = "distillaw"
"""Tells this room from a package of the same import name."""
