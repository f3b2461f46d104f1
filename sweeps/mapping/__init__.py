"""The mapping problem of App C.2 (arXiv 2502.08606): a capacity gap that small networks show in minutes."""
