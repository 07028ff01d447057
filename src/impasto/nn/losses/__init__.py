"""Pure functions of logits and pictures. None of them calls `backward`."""
