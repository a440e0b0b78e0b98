"""What does each precision change? `python -m beltline.studies.compression.precisions DATA NAME=MODEL.onnx ...`.

Each float32 model is made into every precision that a Jetson runs, by the recipe steps themselves, and scored on real
frames in ONNX Runtime: float16 as it computes it on a CPU and as tensor cores round it (`emulated_float16`), symmetric
INT8, and both. Decisions are counted at the cut that was fitted on val, once the float32 model's own cut for all, once
each one's own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compress.graph_bytes import graph_bytes, properties_of
from ...compress.recipe import GraphContext, methods
from ...export.artifacts import backends
from ...export.contracts import Frame
from ...export.device_check.check import check_file
from ...export.device_check.device_runtime import RUNTIMES
from ...export.graph_file import open_graph
from ...export.parity import compare_scores
from ...export.scoring import score_samples
from ...export.sessions import open_session
from ...export.sparsity import sparsity_of_file
from ...inspection.base.storage import write_bytes
from ...inspection.data.dataset import Dataset, Sample, evenly
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.data.streaming import prepared_frames_of
from ...inspection.statistics.roc import auroc
from ...inspection.statistics.threshold import fit_threshold
from ...targets.fingerprint import fingerprint, weight_bits
from ...targets.target import Target
from .emulated_float16 import with_float16_rounding

_JETPACK = RUNTIMES["jetpack6.2"]
_OVERKILL, _CONFIDENCE = 0.05, 0.95
_HERE = Target(name="local", threads=2, cpus=(0, 1))
_COLUMNS = (
    *("model", "precision", "frames", "score difference, largest / mean", "rank correlation"),
    *("AUROC", "flips", "at its own cut", "file", "JetPack 6.2", "2:4"),
)

STEPS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "fp16": ({"half": {}},),
    "int8": ({"quantize": {"scheme": "tensor_rt"}},),
    "int8 + fp16": ({"quantize": {"scheme": "tensor_rt"}}, {"half": {}}),
}
"""Recipe steps behind the float32 graph, by what a row is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One precision of one model against the first model in float32, on the same test frames.

    Attributes:
        model: As it was called on the command line.
        precision: Of what was scored.
        frames: How many test frames.
        max_abs: Largest difference of two scores.
        mean_abs: Mean difference.
        rank_correlation: Spearman's rho.
        auroc: Of these scores on these frames.
        flips: Decisions that changed, all at the cut of the first model in float32.
        own_flips: Decisions that changed, each at its own cut.
        size_bytes: Of the ONNX file; 0 for an emulation.
        taken: Whether JetPack 6.2 takes the file; None for an emulation.
        sparse: Share of its weights in 2:4 sparse layers.
        lineage: The last line of the file's lineage.
    """

    model: str
    precision: str
    frames: int
    max_abs: float
    mean_abs: float
    rank_correlation: float
    auroc: float
    flips: int
    own_flips: int
    size_bytes: int
    taken: bool | None
    sparse: float
    lineage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    test: NDArray[np.float64]
    cut: float
    auroc: float


def study(dataset: Dataset, models: Mapping[str, Path], *, frames: int, calibration: int) -> list[Row]:
    """Make and score all precisions of all models.

    Args:
        dataset: Val fits the cuts, test is compared on, train calibrates.
        models: Float32 ONNX files by name; the first is what all are compared with.
        frames: Of val and of test, each.
        calibration: Training frames for the steps.
    """
    rows: list[Row] = []
    reference: _Scored | None = None
    with tempfile.TemporaryDirectory(prefix="beltline-precisions-") as folder:
        for name, source in models.items():
            for precision, path in _variants(source, Path(folder) / name, dataset, calibration):
                scored = _scored(path, dataset, frames)
                reference = reference or scored
                rows.append(_row(name, precision, path, scored, reference))
    return rows


def _variants(source: Path, folder: Path, dataset: Dataset, calibration: int) -> Iterator[tuple[str, Path]]:
    """Give each precision of a model with its file, float32 first; emulations follow what they emulate."""
    yield "fp32", source
    for precision, steps in STEPS.items():
        path = source
        for number, step in enumerate(steps):
            ((method, settings),) = step.items()
            target = folder / f"{precision}.{number}.onnx".replace(" ", "")
            target.parent.mkdir(parents=True, exist_ok=True)
            chosen = methods()[method]
            context = _context(dataset, path, target, calibration)
            chosen.apply(path, chosen.step_type.model_validate(settings), context)
            path = target
        yield precision, path
        if "fp16" in precision:
            yield f"{precision}, rounded as tensor cores do", _emulated(path)


def _context(dataset: Dataset, source: Path, target: Path, calibration: int) -> GraphContext:
    train = dataset.of("train")
    good = [sample for sample in train if not sample.defective]
    bad = [sample for sample in train if sample.defective]
    chosen = [*evenly(good, calibration // 2), *evenly(bad, calibration // 2)]

    def offered() -> Iterator[Frame]:
        yield from prepared_frames_of(dataset, chosen, open_graph(source).frame)

    return GraphContext(
        target_file=target,
        calibration=offered,
        calibration_count=len(chosen),
        backend="onnx_runtime",
        progress=lambda *_: None,
        weight_bits=weight_bits(fingerprint(())),
    )


def _emulated(path: Path) -> Path:
    import onnx

    model = onnx.load(path)
    target = path.with_suffix(".emulated.onnx")
    write_bytes(target, graph_bytes(with_float16_rounding(model), properties=properties_of(model)))
    return target


def _scored(path: Path, dataset: Dataset, frames: int) -> _Scored:
    backend = backends()["onnx_runtime"]
    with tempfile.TemporaryDirectory(prefix="beltline-precisions-") as folder:
        artifact = backend.build(open_graph(path), _HERE, Path(folder))
        with open_session(backend, artifact, threads=_HERE.threads) as session:
            val, test = (evenly(dataset.of(split), frames) for split in ("val", "test"))
            val_scores = score_samples(session, dataset, val).scores
            test_scores = score_samples(session, dataset, test).scores
    defective = np.array([sample.defective for sample in test])
    return _Scored(test=test_scores, cut=_cut(val_scores, val), auroc=auroc(test_scores, defective))


def _cut(scores: NDArray[np.float64], samples: Sequence[Sample]) -> float:
    labels = [sample.defective for sample in samples]
    return fit_threshold(scores, labels, max_overkill=_OVERKILL, confidence=_CONFIDENCE)


def _row(model: str, precision: str, path: Path, scored: _Scored, reference: _Scored) -> Row:
    parity = compare_scores(reference.test, scored.test, threshold=reference.cut, against="fp32")
    own = (scored.test >= scored.cut) != (reference.test >= reference.cut)
    emulated = "rounded" in precision
    lineage = open_graph(path).lineage
    return Row(
        model=model,
        precision=precision,
        frames=parity.frames,
        max_abs=parity.max_abs,
        mean_abs=float(np.abs(scored.test - reference.test).mean()),
        rank_correlation=parity.rank_correlation,
        auroc=scored.auroc,
        flips=parity.flips,
        own_flips=int(own.sum()),
        size_bytes=0 if emulated else path.stat().st_size,
        taken=None if emulated else check_file(path, _JETPACK).takes,
        sparse=sparsity_of_file(path).fraction,
        lineage=lineage[-1] if lineage else "",
    )


def main(argv: Sequence[str]) -> int:
    """Print the table; `--json` prints one object instead."""
    parser = argparse.ArgumentParser(prog="precisions", description="What does each precision change?")
    parser.add_argument("data", type=Path, help="folder of the data set")
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL.onnx", help="float32 files, the reference first")
    parser.add_argument("--reader", help="layout of the data set; without: detected")
    parser.add_argument("--frames", type=int, default=400, help="of val and of test, each")
    parser.add_argument("--calibration", type=int, default=128, help="training frames for the steps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    models = {name: Path(path) for name, path in (each.split("=", 1) for each in options.models)}
    dataset = load_dataset(DataSettings(root=options.data, reader=options.reader))
    rows = study(dataset, models, frames=options.frames, calibration=options.calibration)
    sys.stdout.write(json.dumps([asdict(row) for row in rows]) + "\n" if options.json else _text(rows))
    return 0


def _text(rows: Sequence[Row]) -> str:
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"| {' | '.join('---' for _ in _COLUMNS)} |",
        *map(_line, rows),
    ]
    lineages = [f"{row.model}, {row.precision}: {row.lineage}" for row in rows if row.lineage and row.size_bytes]
    return "\n".join([*lines, "", *lineages]) + "\n"


def _line(row: Row) -> str:
    size = f"{row.size_bytes / 1000:,.0f} kB" if row.size_bytes else ""
    taken = {True: "takes it", False: "refuses it", None: ""}[row.taken]
    cells = [row.model, row.precision, str(row.frames), f"{row.max_abs:.2g} / {row.mean_abs:.2g}"]
    cells += [
        f"{row.rank_correlation:.5f}",
        f"{row.auroc:.4f}",
        str(row.flips),
        str(row.own_flips),
        size,
        taken,
        f"{row.sparse:.0%}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
