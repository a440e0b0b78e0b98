"""The built-in synthetic line: parts drawn from a seed."""
