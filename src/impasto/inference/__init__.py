"""From a trained model to pictures."""
