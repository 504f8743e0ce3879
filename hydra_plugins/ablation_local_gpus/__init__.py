"""A Hydra launcher: a queue of runs over the GPUs of one machine. Hydra finds plugins in `hydra_plugins` only."""
