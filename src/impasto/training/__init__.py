"""From batches to steps to events."""
