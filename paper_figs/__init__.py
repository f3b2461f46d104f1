"""The papers' figures, drawn from a law and from runs; one file a figure, no number typed in."""

DISTRIBUTION = "distillaw"
"""Tells this room from a package of the same import name."""
