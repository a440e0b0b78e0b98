"""The roof: line.yaml, resumable stages, the command line."""
