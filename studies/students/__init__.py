"""What students learn, from whom, and what a search for them costs."""
