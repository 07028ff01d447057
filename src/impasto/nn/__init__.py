"""Pieces of networks, frozen networks, losses and augmentation: what every task builds from."""
