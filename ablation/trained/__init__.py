"""Use a run after training: load it, classify pictures, export it, describe it."""
