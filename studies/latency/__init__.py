"""How far latency figures and their proofs may be trusted."""
