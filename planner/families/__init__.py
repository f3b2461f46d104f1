"""Several students of one teacher: the teacher and everybody's tokens chosen together, out of one budget."""
