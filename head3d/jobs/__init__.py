"""Work in subprocesses: what a job is, the process that does it, and the pool that watches over it."""
