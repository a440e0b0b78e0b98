"""What sources are made of: cameras, files, pixels, and the supervisor that starts them anew."""
