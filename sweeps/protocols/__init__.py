"""The three protocols of arXiv 2502.08606, section 4, as grid files: at its scale and at ours."""
