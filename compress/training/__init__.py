"""One training loop for teachers, students and pruned networks, and what it shows them."""
