"""The verdict on one model: every gate with its confidence, in sentences that a plant manager can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ...inspection.base.plugins import plugins
from ...inspection.line.gates import Gates
from .gate import WORST_FIRST, Evidence, Finding, Gate
from .miss_rate import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is found about a row.

    Attributes:
        verdict: `fits` only if every gate holds with its confidence; `misses` if one certainly does not.
        findings: Of each gate by its key in line.yaml, in the gates' order.
        remarks: Sentences beside the gates that decide nothing.
    """

    verdict: Outcome
    findings: Mapping[str, Finding]
    remarks: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence per gate, those that decide first; remarks last."""
        return (*(each.reason for each in self._by_weight()), *self.remarks)

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do where it does not fit; empty for `fits`."""
        return tuple(each.next_step for each in self._by_weight() if each.next_step)

    def _by_weight(self) -> list[Finding]:
        return sorted(self.findings.values(), key=lambda each: WORST_FIRST.index(each.outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the choice among judged rows needs of one.

    Attributes:
        name: Of the row.
        verdict: Its verdict.
        engine_p50_ms: Median time in the engine.
        size_bytes: What a device must store.
    """

    name: str
    verdict: Outcome
    engine_p50_ms: float
    size_bytes: int


def all_gates() -> dict[str, Gate]:
    """Give every gate by its key in line.yaml: the built-in ones first, in the order in which line.yaml shows them."""
    known = plugins("benchmarks.gates")
    first = [name for name in Gates.model_fields if name in known]
    return {name: known[name] for name in (*first, *(name for name in known if name not in first))}


def judge(evidence: Evidence, gates: Gates) -> Verdict:
    """Judge a row by all gates that line.yaml asks for.

    Args:
        evidence: What was found out about the row.
        gates: What must hold; a gate whose settings are None is not asked for.
    """
    asked = {name: (gate, getattr(gates, name, None)) for name, gate in all_gates().items()}
    findings = {
        name: gate.judge(evidence, settings) for name, (gate, settings) in asked.items() if settings is not None
    }
    worst = min((each.outcome for each in findings.values()), key=WORST_FIRST.index)
    return Verdict(verdict=worst, findings=MappingProxyType(findings))


def select(rows: Sequence[Standing]) -> str | None:
    """Choose the cheapest row that fits: lowest median engine time, then smallest; None if none fits.

    >>> fast = Standing(name="fast", verdict="misses", engine_p50_ms=1.0, size_bytes=1)
    >>> sound = Standing(name="sound", verdict="fits", engine_p50_ms=2.0, size_bytes=9)
    >>> select([fast, sound])
    'sound'
    """
    fitting = [row for row in rows if row.verdict == "fits"]
    return min(fitting, key=lambda row: (row.engine_p50_ms, row.size_bytes, row.name)).name if fitting else None
