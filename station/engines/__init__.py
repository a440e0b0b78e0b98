"""The process that the model runs in, and what keeps it at work."""
