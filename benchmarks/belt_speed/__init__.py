"""How fast the belt may run: a measured trace offered at other paces."""
