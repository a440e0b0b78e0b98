"""The partners that say which product comes."""

from partners import broker, plc, started_plc

__all__ = ["broker", "plc", "started_plc"]
