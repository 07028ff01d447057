"""Impasto: a GAN studio. Train a generator on a folder of pictures, on the computer you have."""

__version__ = "0.1.0"
