"""What people look at later: drift, rejected frames, their pictures and labels."""
