"""`python -m beltline.pipeline` is `beltline`."""

from __future__ import annotations

from .cli import main

main()
