"""The command line: one program, `beltline`; each verb is also a documented function."""

from __future__ import annotations

from .app import main

__all__ = ["main"]
