"""The station's one HTTP server: Open Inference Protocol, posted frames, metrics, the operator's live page."""
