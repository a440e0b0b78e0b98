"""Forms of the report, one file each with the constant `FORMAT`; a new file here is picked up everywhere."""
