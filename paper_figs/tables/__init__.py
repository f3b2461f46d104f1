"""The tables of arXiv 2502.08606 that follow from coefficients and the ledger: computed, one file a table or pair."""
