"""Bundles (`*.beltline`): one file with a model, its evidence and what proves it before it runs."""
