"""Studies of what a station sees, on photographs at hand; each runs with `python -m`."""
