"""The fitting procedure of arXiv 2502.08606, to be compared with: its grid of starts, its descents, its fits."""
