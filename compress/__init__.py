"""Make it smaller: networks, checkpoints, teacher training, recipes and their methods."""
