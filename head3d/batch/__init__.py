"""Many subjects: what to do (plan), what is done (ledger, manifest), and who does it (drive, on_ray, on_slurm)."""
