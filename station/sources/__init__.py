"""Where photographs come from, one file each with the constant `SOURCE`; a new file here is picked up everywhere."""
