"""The measuring itself: line rate, the loop, its process and its clock, what it records and what disturbed it."""
