"""Make it runnable: torch to ONNX, backends, parity."""
