"""Graphs in half precision: which operators may, and the casts between."""
