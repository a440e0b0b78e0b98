"""How the agent answers: one JSON object on a line of stdout; a refusal is one too."""

from __future__ import annotations

import json
import sys
from typing import Any


class RefusalError(Exception):
    """Words for the user at the other end; they begin with what was wrong."""


def answer(facts: dict[str, Any]) -> None:
    """Write one answer at once."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
