"""The stages of a run: its folder, its rows, and how each is built, scored, measured and judged."""
