"""Photographs of a line as a data set: found, opened once, grouped, split, and streamed as frames."""
