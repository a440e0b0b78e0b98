"""The partners that results are handed to."""

from partners import broker, findings_plc, handshaking_plc, identity, plc, secure_plc, started_plc

__all__ = ["broker", "findings_plc", "handshaking_plc", "identity", "plc", "secure_plc", "started_plc"]
