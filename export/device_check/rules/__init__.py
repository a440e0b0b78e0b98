"""The rules by subject; each module lists its own in `RULES`."""
