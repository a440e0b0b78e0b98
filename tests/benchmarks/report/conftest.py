"""An example report with traces and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.proof.gate import Evidence, Run
from beltline.benchmarks.proof.interim_looks import frames_to_fit
from beltline.benchmarks.proof.miss_rate import Proof
from beltline.benchmarks.proof.verdict import judge
from beltline.benchmarks.report.gallery import GalleryItem
from beltline.benchmarks.timing.measurement import Measurement
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import Gates, MissGate
from beltline.inspection.line.line import Line
from beltline.inspection.statistics.bounds import rate_lower
from beltline.inspection.statistics.quality import Paired, Quality, Rate
from beltline.pipeline.line.what_if import what_if

DEADLINE_MS = 86.0
PERIOD_MS = 240.0


def quality(auroc: float, escapes: int, overkills: int, *, paired: tuple[int, int] | None = None) -> dict[str, Any]:
    """Make a row's quality over 888 defects and 2,112 good parts."""
    found: dict[str, Any] = {
        "auroc": auroc,
        "auroc_interval": [auroc - 0.011, min(1.0, auroc + 0.008)],
        "threshold": 0.4231,
        "escape": {"count": escapes, "of": 888, "upper": (escapes + 8) / 888},
        "overkill": {"count": overkills, "of": 2112, "upper": (overkills + 14) / 2112},
        "paired": None,
    }
    if paired is not None:
        new, recovered = paired
        found["paired"] = {
            "against": "teacher",
            "new_escapes": new,
            "recovered": recovered,
            "p_value": 0.424,
            "increase": (new - recovered) / 888,
            "increase_upper": (new - recovered + 9) / 888,
            "increase_lower": (new - recovered - 9) / 888,
            "new_escape_paths": ["test/short/50600031_04.png"],
        }
    return found


def row(name: str, latency_ms: float, size_bytes: int, auroc: float, /, **changes: Any) -> dict[str, Any]:
    """Make a candidate's row; `changes` replace whole keys."""
    return {
        "name": name,
        "role": "candidate",
        "recipe": ["distill from teacher, width 16", "quantize int8"],
        "backend": "open_vino",
        "precision": "int8",
        "artifact": "runs/pcb/stages/4f1c8d/model.xml",
        "size_bytes": size_bytes,
        "parameters": 402_113,
        "macs": 118_000_000,
        "latency_ms": {
            "frames": 6636,
            "p50": latency_ms,
            "p99": 1.6 * latency_ms,
            "p999": min(2.4 * latency_ms, 84.0),
            "misses": 0,
            "miss_upper": 0.00069,
            "scope": "frame_to_decision",
            "pre": 0.06 * latency_ms,
            "post": 0.04 * latency_ms,
        },
        "engine_ms": {"p50": 0.9 * latency_ms},
        "quality": quality(auroc, 21, 61, paired=(6, 3)),
        "parity": {"against": "onnx_runtime", "max_abs": 0.031, "flips": 4, "frames": 3000},
        "verdict": "fits",
        "reasons": [],
        **changes,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    """A report in which one of six rows was selected."""
    teacher = {"role": "teacher", "backend": "torch_eager", "precision": "fp32", "recipe": [], "parity": None}
    late = {"frames": 900, "p50": 92.0, "p99": 120.0, "p999": None, "misses": 631, "miss_upper": 0.74, "scope": "x"}
    found = {
        "schema": 1,
        "budget": {
            "period_ms": PERIOD_MS,
            "deadline_ms": DEADLINE_MS,
            "miss_max": 0.001,
            "confidence": 0.99,
            "fixed_parts_ms": {"exposure": 1.0, "transfer": 8.0, "plc": 5.0, "ejector": 20.0},
        },
        "gates": {
            "deadline_miss": {"max": 0.001, "confidence": 0.99},
            "escape": {"max_increase": 0.02, "confidence": 0.95},
            "overkill": {"max": 0.05, "confidence": 0.95},
        },
        "data": {
            "name": "pcb",
            "digest": "sha256:" + "3f9a" * 16,
            "images": {"train": 5296, "val": 1477, "test": 3000},
            "groups": {"train": 1000, "val": 207, "test": 273},
            "notes": ["12 near-duplicates were put into one group with their originals."],
        },
        "device": {
            "name": "local",
            "cpu": "Intel(R) Core(TM) i5-1145G7E @ 2.60GHz",
            "isa": ["avx2", "avx512_vnni"],
            "threads": 2,
            "governor": "performance",
            "versions": {"openvino": "2025.4.0", "onnxruntime": "1.23.2", "torch": "2.11.0"},
        },
        "rows": [
            row("teacher", 74.2, 52_400_000, 0.976, **teacher, quality=quality(0.976, 18, 55)),
            row("teacher-onnx", 41.0, 52_100_000, 0.976, backend="onnx_runtime", precision="fp32", recipe=[]),
            row("student-32", 5.61, 1_720_000, 0.975, precision="fp32", recipe=["distill from teacher, width 32"]),
            row("student-32-int8", 3.12, 431_000, 0.974),
            row("student-16-pruned-int8", 1.94, 160_000, 0.958, verdict="inconclusive", reasons=["Too few defects."]),
            row("wide-fp32", 92.0, 61_000_000, 0.977, latency_ms=late, engine_ms=None, verdict="misses"),
        ],
        "selected": "student-32-int8",
        "started": "2026-03-14T09:26:53+00:00",
    }
    return judged(found)


def judged(report: dict[str, Any]) -> dict[str, Any]:
    """Let the gates judge every row by its figures; its verdict stays as it is. Gives the same report."""
    gates, budget = Gates.model_validate(report["gates"]), report["budget"]
    for each in report["rows"]:
        found = judge(_evidence(each, budget, gates), gates)
        each["gates"] = {
            name: {**asdict(finding), "scale": list(finding.scale or ())} for name, finding in found.findings.items()
        }
    return report


def _evidence(row: dict[str, Any], budget: dict[str, Any], gates: Gates) -> Evidence:
    latency, found = row["latency_ms"], row["quality"]
    misses, frames, gate = latency["misses"], latency["frames"], gates.deadline_miss
    lower = rate_lower(misses, frames, confidence=gate.confidence)
    outcome = Rate(count=misses, of=frames, upper=latency["miss_upper"], lower=lower).held_against(gate.max)
    needed = frames_to_fit(gate, events=misses) - frames
    proof = Proof(
        verdict=outcome, misses=misses, frames=frames, upper=latency["miss_upper"], lower=lower, frames_needed=needed
    )
    return Evidence(
        run=Run(proof=proof, deadline_ms=budget["deadline_ms"], frames_per_s=1_000 / budget["period_ms"]),
        quality=Quality(
            auroc=found["auroc"],
            auroc_interval=(0.0, 1.0),
            threshold=found["threshold"],
            escape=_rate(found["escape"]),
            overkill=_rate(found["overkill"]),
            paired=found["paired"] and Paired(**{**found["paired"], "new_escape_paths": ()}),
        ),
    )


def _rate(counted: dict[str, Any]) -> Rate:
    return Rate(**counted, lower=rate_lower(counted["count"], counted["of"], confidence=0.95))


@pytest.fixture
def rejudged() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give the function that lets the gates judge a report whose figures were changed."""
    return judged


def measurement(latency_ms: float, *, frames: int, seed: int, mode: str = "belt") -> Measurement:
    """Draw a trace: log-normal times with a few stalls, twenty slow cold frames first."""
    generator = np.random.default_rng(seed)
    times = latency_ms * np.exp(generator.normal(0, 0.06, frames)) * (1 + 1.5 * (generator.random(frames) < 0.002))
    times[:20] *= np.linspace(4, 1.1, 20)
    times = np.minimum(times, 84.0) if latency_ms < DEADLINE_MS else times
    scheduled = (np.arange(frames) * PERIOD_MS * 1e6).astype(np.int64)
    decided = scheduled + (times * 1e6).astype(np.int64)
    return Measurement(
        mode="belt" if mode == "belt" else "back_to_back",
        arrivals=Arrivals(period_ns=int(PERIOD_MS * 1e6)) if mode == "belt" else None,
        warmup=20,
        scheduled_ns=scheduled,
        started_ns=scheduled,
        engine_start_ns=scheduled + 20_000,
        engine_end_ns=decided - 20_000,
        decided_ns=decided,
        fingerprint={},
        artifact_digest="sha256:0",
    )


@pytest.fixture
def traces(report: dict[str, Any]) -> dict[str, Measurement]:
    """One trace a row, the selected one's with one late frame's worth of stall but none beyond the deadline."""
    return {
        each["name"]: measurement(each["latency_ms"]["p50"], frames=each["latency_ms"]["frames"], seed=index)
        for index, each in enumerate(report["rows"])
    }


@pytest.fixture
def predicted(report: dict[str, Any], traces: dict[str, Measurement]) -> dict[str, Any]:
    """The report with the line at other speeds in its selected row."""
    fixed_ms = report["budget"]["fixed_parts_ms"]
    line = Line(belt_speed_mm_s=500, part_pitch_mm=120, camera_to_ejector_mm=60, fixed_ms=fixed_ms)
    chosen = next(each for each in report["rows"] if each["name"] == report["selected"])
    chosen["what_if"] = what_if(traces[chosen["name"]], line, MissGate(), speeds=12)
    return {**report, "budget": {**report["budget"], "belt_speed_mm_s": 500.0}}


def part(path: str, label: str, *, size: tuple[int, int] = (160, 160), seed: int = 0) -> GalleryItem:
    """Draw a textured part with a spot, its mask, and a heatmap that saw half of it."""
    generator = np.random.default_rng(seed)
    height, width = size
    frame = generator.normal(130, 12, size)
    ys, xs = np.mgrid[:height, :width]
    spot = np.hypot(ys - 0.4 * height, xs - 0.6 * width) < 0.07 * min(size)
    frame[spot] -= 45
    heat = 150 * np.exp(-(((ys - 0.42 * height) ** 2 + (xs - 0.62 * width) ** 2) / (0.01 * height * width)))
    defective = label != "good"
    return GalleryItem(
        path=path,
        label=label,
        kind="escape" if defective else "overkill",
        score=0.31 if defective else 0.62,
        frame=np.clip(frame, 0, 255).astype(np.uint8),
        heatmap=heat[::4, ::4].astype(np.uint8),
        mask=spot if defective else None,
    )


@pytest.fixture
def gallery() -> list[GalleryItem]:
    """Two escapes, one of them new, and one overkill."""
    return [
        part("test/open/92000014_02.png", "open", seed=1),
        part("test/short/50600031_04.png", "short", size=(900, 1200), seed=2),
        part("test/good/90100005_11.png", "good", seed=3),
    ]


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Write a page to a file and give its path."""

    def write(page: str) -> Path:
        path = tmp_path / "report.html"
        path.write_text(page, "utf-8")
        return path

    return write
