"""From a trained generator to pictures."""
