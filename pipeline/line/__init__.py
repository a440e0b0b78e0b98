"""The line file: read, checked, its positions and validation errors, its schema; what the belt asks for."""
