"""The line file: read, checked, its places and mistakes, its schema; what the belt asks for."""
