"""Who runs the cells of a grid: the processes of this machine, a Slurm cluster, a Ray cluster.

Each is a thin adapter: engines place, retry and wait. Which cell can come next is `queueing`'s to say, and what a
process does with the cells that it is given is `working`'s, the same under all of them.
"""
