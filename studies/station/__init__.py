"""What a station sees, on photographs at hand."""
