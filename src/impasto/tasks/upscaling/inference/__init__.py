"""From a trained upscaler to larger pictures."""
