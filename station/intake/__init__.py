"""What sources are made of: cameras, files, pixels, and the keeper that starts them anew."""
