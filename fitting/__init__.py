"""Laws and evidence: units, the FLOP ledger, run tables, the laws themselves and their estimation.

Nouns: a `Convention` says how N and FLOPs are counted; a `RunTable` holds runs; a `SupervisedLaw` or
`DistillationLaw` is a formula with coefficients; a `Fit` is a law estimated from a table, with its doubts; a
`KnownLaw` is any law ready to be used, published or fitted.
"""

DISTRIBUTION = "distillaw"
"""Tells this room from a package of the same import name."""
