"""Where distilling stops paying: stretches of budgets in which it wins, loses, or hardly matters."""
