"""`search:` in line.yaml: many recipes are tried, cheaply at first, and the best few become rows."""
