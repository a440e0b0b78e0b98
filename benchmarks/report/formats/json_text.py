"""`report --format json`: report.json as it stands in the run's folder, unknown keys included."""

from __future__ import annotations

import json

from ..finished import FinishedReport, Format


def _render(finished: FinishedReport) -> str:
    return json.dumps(finished.content, indent=1, allow_nan=False) + "\n"


FORMAT = Format(name="json", suffix=".json", render=_render)
