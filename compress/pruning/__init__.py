"""Narrower networks: by ratio, by MACs, or to a time that the engine is to take."""
