"""Network families; one file each with the constant `NETWORK`."""
