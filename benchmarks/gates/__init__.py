"""What must hold for the verdict `fits`: a gate is one file with the constant `GATE`, and is found by its place."""
