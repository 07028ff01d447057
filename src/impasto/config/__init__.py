"""Everything about a run in one tree: read from a TOML preset and dotted overrides."""
