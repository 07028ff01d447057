"""Whether a run is well, and what is done about it."""
