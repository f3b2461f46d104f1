"""Forms of a law side by side, as `distillaw compare-laws` shows them."""
