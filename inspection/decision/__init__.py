"""What stands on a part and what becomes of it: findings in a heatmap, zones, limits, the decision."""
