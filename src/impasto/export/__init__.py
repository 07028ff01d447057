"""Files for other programs, and the hub."""
