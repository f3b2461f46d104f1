"""Where a student's signal comes from: a teacher that runs beside it, a pool of them, or what was kept of one."""
