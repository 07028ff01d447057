"""Layouts become pictures: an architect's drawing a facade, a sketch a photograph."""
