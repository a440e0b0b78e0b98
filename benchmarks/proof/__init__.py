"""What a measurement proves: the miss rate with its bounds, late bursts, steadiness, ratios, and the verdict."""
