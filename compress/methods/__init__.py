"""Ways to make a model smaller, one file each with the constant `METHOD`; a new file here is picked up everywhere."""
