"""Measuring pictures: distances between sets, how varied and how new they are."""
