"""What can be wrong or odd with a table of runs: one file for each part of it, `everything` in order."""
