"""Other people's tables of runs, made into the one that `check` and `fit` read.

`reading` knows how files are spelt, `columns` which column is which, `charts` the curves that W&B exports, `taking`
puts a table together and says what it left out.
"""
