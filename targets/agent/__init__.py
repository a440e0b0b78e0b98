"""What runs on a device that is reached over ssh: one zip of plain Python 3.10, sent first, needing nothing else there.

Each call is one verb with one JSON answer on stdout. Files are kept by digest and jobs live in folders of their own,
both under `~/.cache/beltline`; see `store`, `supervisor` and `runtimes`.
An answer is one JSON object on a line of stdout, marked: a login script may write there, too.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MARK = "beltline-agent "


class RefusalError(Exception):
    """Words for the user at the other end; they begin with what was wrong."""


def answer(facts: dict[str, Any]) -> None:
    """Write one answer at once."""
    sys.stdout.write(f"{MARK}{json.dumps(facts)}\n")
    sys.stdout.flush()
