"""What do the choices of `quantize` and `cluster` cost? `python -m beltline.studies.compression.int8_choices`.

A float graph is quantized with each calibrator, with and without bias correction, and its weights are drawn together
onto fewer and fewer levels; every result is built, scores val (for its threshold) and test, and is compared with the
float graph on the same parts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compress.recipe import GraphContext, Step, methods
from ...export.artifacts import backends, files_of
from ...export.bundles.packing import packed
from ...export.graph_file import open_graph
from ...export.scoring import score_samples
from ...export.sessions import open_session
from ...inspection.base.errors import BeltlineError
from ...inspection.data.dataset import Dataset, evenly
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.data.streaming import prepared_frames_of
from ...inspection.statistics.threshold import fit_threshold
from ...targets.fingerprint import fingerprint, weight_bits
from ...targets.target import Target

_CALIBRATION_FRAMES = 256
_EDGE = 1e-6
CHOICES = MappingProxyType(
    {
        "float": (),
        "min_max": ("quantize",),
        "min_max, bias correction": ({"quantize": {"bias_correction": True}},),
        "min_max, mixed": ({"quantize": {"preset": "mixed"}},),
        "mean": ({"quantize": {"calibrator": "mean"}},),
        "percentile 99.99": ({"quantize": {"calibrator": "percentile"}},),
        "percentile 99.9": ({"quantize": {"calibrator": "percentile", "percentile": 99.9}},),
        "histogram": ({"quantize": {"calibrator": "histogram"}},),
        "64 levels": ("quantize", {"cluster": {"levels": 64, "keep_escapes": False}}),
        "32 levels": ("quantize", {"cluster": {"levels": 32, "keep_escapes": False}}),
        "16 levels": ("quantize", {"cluster": {"levels": 16, "keep_escapes": False}}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of one choice.

    Attributes:
        scores: Of test, `[images]`.
        rejected: At the threshold fitted on val.
        size_bytes: What a device stores.
        sent_bytes: What is sent to it.
    """

    scores: NDArray[np.float64]
    rejected: NDArray[np.bool_]
    size_bytes: int
    sent_bytes: int


def scored(graph: Path, steps: Sequence[Any], dataset: Dataset, *, backend: str, max_overkill: float) -> Found:
    """Work off graph steps, build, and score val and test.

    Args:
        graph: A float ONNX file that holds the inspector contract.
        steps: As a recipe writes them.
        dataset: Its train split calibrates.
        backend: Name of the runtime.
        max_overkill: Share of good parts that the threshold may cost on val.
    """
    with TemporaryDirectory(prefix="beltline-int8-") as name:
        folder = Path(name)
        made = open_graph(_worked_off(graph, steps, dataset, backend, folder))
        artifact = backends()[backend].build(made, _TARGET, folder)
        with open_session(backends()[backend], artifact, threads=_TARGET.threads) as session:
            val, test = (score_samples(session, dataset, dataset.of(split)).scores for split in ("val", "test"))
        sent = sum(len(packed(path.read_bytes()) or path.read_bytes()) for path in files_of(artifact.path))
    defective = [sample.defective for sample in dataset.of("val")]
    threshold = fit_threshold(val, defective, max_overkill=max_overkill, confidence=0.95)
    return Found(scores=test, rejected=test >= threshold, size_bytes=artifact.size_bytes, sent_bytes=sent)


def table_line(name: str, found: Found, reference: Found, defective: NDArray[np.bool_]) -> str:
    """Give one choice as a line of a Markdown table; new and recovered escapes are against the float graph."""
    escapes, overkill = int((~found.rejected & defective).sum()), int((found.rejected & ~defective).sum())
    new = int((~found.rejected & reference.rejected & defective).sum())
    recovered = int((found.rejected & ~reference.rejected & defective).sum())
    moved = float(np.abs(_logits(found.scores) - _logits(reference.scores)).mean())
    sizes = f"{found.size_bytes / 1000:.0f} kB | {found.sent_bytes / 1000:.0f} kB"
    return f"| {name} | {moved:.3f} | {escapes} ({new} / {recovered}) | {overkill} | {sizes} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every choice and print the table."""
    parser = argparse.ArgumentParser(prog="int8_choices", description=__doc__)
    parser.add_argument("graph", type=Path, help="a float ONNX file, such as a run's stages/<digest>/model.onnx")
    parser.add_argument("--root", type=Path, required=True, help="the data, as `data.root` of line.yaml")
    parser.add_argument("--reader", default=None, help="as `data.reader`")
    parser.add_argument("--backend", default="open_vino")
    parser.add_argument("--max-overkill", type=float, default=0.05)
    parser.add_argument("--only", nargs="+", choices=list(CHOICES), help="choices; else all")
    asked = parser.parse_args(arguments)
    try:
        dataset = load_dataset(DataSettings(root=asked.root.resolve(), reader=asked.reader))
        for line in _lines(asked, dataset):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except BeltlineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _lines(asked: argparse.Namespace, dataset: Dataset) -> Iterator[str]:
    yield "| choice | logits move by | escapes (new / recovered) | overkill | installed | sent |"
    yield "| --- | --- | --- | --- | --- | --- |"
    defective = np.array([sample.defective for sample in dataset.of("test")])
    reference: Found | None = None
    for name, steps in CHOICES.items():
        if asked.only and name not in ("float", *asked.only):
            continue
        found = scored(asked.graph, steps, dataset, backend=asked.backend, max_overkill=asked.max_overkill)
        reference = reference or found
        yield table_line(name, found, reference, defective)


def _worked_off(graph: Path, steps: Sequence[Any], dataset: Dataset, backend: str, folder: Path) -> Path:
    train = dataset.of("train")
    kinds = [[each for each in train if each.defective is bad] for bad in (False, True)]
    chosen = [each for kind in kinds for each in evenly(kind, _CALIBRATION_FRAMES)]
    samples = sorted(chosen, key=lambda each: each.digest)
    for number, written in enumerate(steps):
        step = Step.model_validate(written)
        context = GraphContext(
            target_file=folder / f"step-{number}.onnx",
            calibration=partial(prepared_frames_of, dataset, samples, open_graph(graph).frame),
            calibration_count=len(samples),
            backend=backend,
            progress=lambda *_: None,
            weight_bits=weight_bits(fingerprint(())),
        )
        methods()[step.method].apply(graph, step.settings, context)
        graph = context.target_file
    return graph


def _logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.log(inside / (1 - inside))


_TARGET = Target(name="local", threads=2, cpus=(0, 1))

if __name__ == "__main__":
    sys.exit(main())
