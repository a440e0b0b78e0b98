"""Who says which product comes next: one file for each kind, with the constant `CHANGEOVER`."""
