"""Which teacher: a table of candidates, ranked by the student that each would teach with a budget."""
