"""A Hydra launcher: runs as jobs of SLURM, through submitit."""
