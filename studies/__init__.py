"""Measurements and experiments behind the documents, outside the wheel; each runs with `python -m`."""
