"""What a gate is: its settings, how it is judged, and a finding that every format of the report shows.

A gate is a file in `benchmarks/gates` with the constant `GATE`; other packages add theirs by the entry-point group
`beltline.gates`. Its name is its key below `gates:` in line.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, create_model

from ...inspection.line.gates import Gates
from ...inspection.statistics.quality import Quality, Rate
from ..timing.measurement import Measurement
from .miss_rate import Outcome, Proof
from .steadiness import Steadiness

WORST_FIRST: tuple[Outcome, ...] = ("misses", "inconclusive", "fits")

FEW = 20
"""Below so many parts a rate seen says too little to plan with: advice then names only what is sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run at line rate, as far as it says whether decisions come in time.

    Attributes:
        proof: Of its miss rate.
        deadline_ms: From trigger to decision.
        steadiness: Of the run; None: not known.
        frames_per_s: Of the belt; None: not known.
    """

    proof: Proof
    deadline_ms: float
    steadiness: Steadiness | None = None
    frames_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found out about a row, for gates to judge.

    Attributes:
        run: At line rate.
        quality: On the test split; `paired` is None for the teacher.
        size_bytes: What a device must store; None: not known.
        counts: `parameters` and `macs`, where they are known.
        belt: Every frame of the run; None where only its proof is known.
        guarantee: Of a threshold that was set by good parts of val alone, each counted once: how many of them it
            rejects, and what that bounds for every part that comes as they did. None: the test split is what counts.
    """

    run: Run
    quality: Quality
    size_bytes: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    belt: Measurement | None = None
    guarantee: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one gate finds; every format of the report shows these words and no others.

    Attributes:
        outcome: `fits` where it holds, `misses` where it certainly does not, else `inconclusive`.
        lead: What the outcome is called in a sentence.
        seen: What was counted or measured, as a clause.
        proven: What that proves, as a clause, with the limit; may be empty.
        next_step: What to do where it does not hold; empty where it does.
        title: The promise in two or three words.
        detail: A further sentence, for where there is room; may be empty.
        scale: What was seen, its bound, and the limit, in one unit; None without such.
    """

    outcome: Outcome
    lead: str
    seen: str
    proven: str = ""
    next_step: str = ""
    title: str = ""
    detail: str = ""
    scale: tuple[float, float, float] | None = None

    @property
    def reason(self) -> str:
        """The finding as one sentence."""
        return f"{self.lead}: {'; '.join(filter(None, (self.seen, self.proven)))}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate; the constant `GATE` of its file.

    Attributes:
        name: Its key below `gates:` in line.yaml; an identifier.
        settings_type: What line.yaml may say about it: a frozen pydantic model that forbids unknown keys.
        judge: Gives the finding from the evidence and the settings.
        default: Its settings where line.yaml does not name it; None: it is then not asked for.
    """

    name: str
    settings_type: type[BaseModel]
    judge: Callable[[Evidence, Any], Finding]
    default: BaseModel | None = None


def gates_type(known: Mapping[str, Gate], *, module: str) -> type[Gates]:
    """Give the model of line.yaml's `gates:`, with a key for each gate that is known beyond the built-in ones.

    Args:
        known: All gates by name.
        module: Where it is bound to the name `AllGates`, so that line files can be sent to other processes.
    """
    added: dict[str, Any] = {
        name: (gate.settings_type | None, gate.default)
        for name, gate in known.items()
        if name not in Gates.model_fields
    }
    return (
        create_model("AllGates", __base__=Gates, __doc__=Gates.__doc__, __module__=module, **added) if added else Gates
    )


def percent(share: float) -> str:
    """Give a share as it stands in a sentence.

    >>> percent(0.001), percent(0.0487)
    ('0.1 %', '4.87 %')
    """
    return f"{100 * share:.3g} %"
