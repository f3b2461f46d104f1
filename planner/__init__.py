"""Decisions: what a training budget should buy, with or without a teacher."""
