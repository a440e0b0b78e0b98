"""Rows measured interleaved on one device: what their ratios are taken from, kept round by round."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...benchmarks.proof.ratio import Ratio
from ...benchmarks.timing.interleaved import (
    TURN,
    InterleavedRounds,
    Round,
    interleaved_ratio,
    measured_rounds,
    rounds_of,
)
from ...benchmarks.timing.measurement import read_trace, write_trace
from ...export.contracts import Artifact
from ...inspection.base.storage import new_folder
from ...inspection.data.streaming import frames_of, held_together
from .job import RunJob
from .measure import Device
from .rows import TEACHER
from .stages import Stage, run_resumable_stage
from .versions import machine_digest

ROUNDS = 8
QUICK_ROUNDS = 3

_FRAMES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How a row did in the turns that all rows of its device took.

    Attributes:
        measurements: Its times, round by round.
        against: The row that it is compared with; None where that one did not run there.
        ratios: `p50` and `p99` of its time over the other's; empty where there is none.
    """

    measurements: InterleavedRounds
    against: str | None
    ratios: Mapping[str, Ratio]

    def to_json(self) -> dict[str, Any]:
        """Give the keys of a row in report.json: `interleaved_ms`, and `speedup` (the other's time over its own)."""
        found: dict[str, Any] = {"interleaved_ms": self.measurements.to_json(), "speedup": None}
        if self.against is not None:
            faster = {name: _inverted(ratio).to_json() for name, ratio in self.ratios.items()}
            found["speedup"] = {"against": self.against, **faster}
        return found


def measure_interleaved(
    job: RunJob,
    artifacts: Mapping[str, Artifact],
    device: Device,
    *,
    rounds: int,
    threads: Mapping[str, int] = MappingProxyType({}),
) -> Mapping[str, InterleavedRounds]:
    """Measure rows interleaved, back to back; whole rounds outlive a stop and are not measured again.

    Args:
        job: The run.
        artifacts: Name of the row to what it runs, at least two.
        device: Where.
        rounds: How often each takes its turn, >= 2.
        threads: Name to threads of the rows that do not take all of the device's.
    """
    inputs = {
        "artifacts": [[name, each.backend, each.digest] for name, each in artifacts.items()],
        "rounds": rounds,
        "turn": asdict(TURN),
        "target": [device.name, device.target.threads, list(device.target.cpus)],
        "machine": machine_digest(device.facts, *(each.backend for each in artifacts.values())),
        "data": job.dataset.digest,
        **({"threads": dict(threads)} if threads else {}),
    }
    stage = Stage(name="measure interleaved", inputs=inputs)

    def work(folder: Path, partial: Path) -> None:
        missing = [number for number in range(rounds) if not _place(partial, number).is_dir()]
        with device.host(job.console) as host, job.console.progress(f"{device.name}: interleaved") as advance:

            def notify(number: int, name: str) -> None:
                device.require_going()
                advance(f"round {number + 1}: {name}", number, rounds)

            frames = list(frames_of(job.dataset, held_together(job.dataset, job.dataset.of("test"), _FRAMES)))
            models = {name: (each, device.target.with_threads(threads.get(name))) for name, each in artifacts.items()}
            for each in measured_rounds(models, frames, numbers=missing, progress=notify, host=host):
                with new_folder(_place(partial, each.number)) as fresh:
                    for name, measurement in each.measurements.items():
                        write_trace(fresh / f"{name}.npz", measurement)
        for number in range(rounds):
            shutil.copytree(_place(partial, number), _place(folder, number))

    folder = run_resumable_stage(job.folder, stage, work, notify=job.console.detail)
    return rounds_of(
        [
            Round(
                number=number,
                measurements={name: read_trace(_place(folder, number) / f"{name}.npz") for name in artifacts},
            )
            for number in range(rounds)
        ]
    )


def compared(measurements: Mapping[str, InterleavedRounds], *, against: str = TEACHER) -> Mapping[str, Compared]:
    """Compare every row with one of them."""
    reference = measurements.get(against)
    return {
        name: Compared(
            measurements=each,
            against=against if reference and name != against else None,
            ratios=MappingProxyType(dict(interleaved_ratio(each, reference)) if reference and name != against else {}),
        )
        for name, each in measurements.items()
    }


def _inverted(ratio: Ratio) -> Ratio:
    return replace(
        ratio,
        ratio=1 / ratio.ratio,
        lower=1 / ratio.upper,
        upper=1 / ratio.lower,
        by_round=tuple(1 / each for each in ratio.by_round),
    )


def _place(folder: Path, number: int) -> Path:
    return folder / f"round_{number:03}"
