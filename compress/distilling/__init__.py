"""What a teacher says to its student beside the labels: maps, features, weights that change."""
