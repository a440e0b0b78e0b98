"""Find out whether it holds: pacing, traces, bounds, verdict, report."""
