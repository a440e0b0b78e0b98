"""Studies of whole runs: what a method brings on a line; each runs with `python -m`."""
