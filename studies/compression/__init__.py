"""What each method of compression costs and brings, and what other tools write."""
