"""What people found on the line goes into the next version."""
