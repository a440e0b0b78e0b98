"""Runtimes, one file each with the constant `BACKEND`; a new file here is picked up everywhere."""
