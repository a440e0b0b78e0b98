"""Where decisions go, one file each with the constant `RESULT`; a new file here is picked up everywhere."""
