"""The golden reference: a good photograph of the same product, moved onto the frame before both are looked at."""
