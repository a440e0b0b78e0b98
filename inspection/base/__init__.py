"""What everything else stands on: errors, files that matter, locks, plug-ins, packages, durations, tables."""
