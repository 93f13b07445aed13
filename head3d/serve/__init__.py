"""A small HTTP API: a folder of subjects, tenants with tokens, a queue that survives, workers in subprocesses."""
