"""What was found out about a row, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...benchmarks.proof.verdict import Verdict
from ...export.contracts import Artifact
from ...export.parity import Parity
from ...inspection.statistics.quality import Quality
from ...inspection.statistics.threshold import OperatingPoint
from .interleaved import Compared
from .measure import Device
from .rows import RowPlan
from .score import Scores, Timed


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """Everything that was found out about one row.

    Attributes:
        name: The plan's; of a model that is measured on several devices `<plan>@<device>`.
        plan: What was to be made.
        artifact: What runs.
        counts: `parameters` and `macs`, where the network is known.
        scored: Scores on val and test.
        timed: Latency.
        parity: Against torch; None for the teacher in torch.
        device: Where it was timed.
        compared: Against the teacher, where all rows were interleaved.
    """

    name: str
    plan: RowPlan
    artifact: Artifact
    counts: Mapping[str, int]
    scored: Scores
    timed: Timed
    parity: Parity | None
    device: Device
    compared: Compared | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row with what came of it.

    Attributes:
        result: What was found out.
        quality: Escapes and overkill on test.
        verdict: What the gates say.
        latency: The report's `latency_ms`.
        point: Where the threshold was fitted on val.
        rather: Of an int8 row that is not faster: its float sibling.
    """

    result: RowResult
    quality: Quality
    verdict: Verdict
    latency: dict[str, Any]
    point: OperatingPoint
    rather: str | None = None
