"""Which pruning keeps more at the same time? `python -m beltline.studies.compression.equal_time`.

One network is pruned to an engine time (`prune: {engine_ms: ...}`, both kinds of importance) and by torch-pruning's
global way (`prune: {macs: ...}`), the share of multiply-accumulates being searched until the built network takes as
long. Same network, teacher, data, views, seed and epochs; each is fine-tuned, built, measured and scored as it runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.timing.engine_timing import EngineBench
from ...compress.methods.prune import METHOD as PRUNE
from ...compress.methods.prune.settings import PruneStep
from ...compress.recipe import ModuleContext
from ...compress.training.fit_settings import AugmentationSettings, FitSettings
from ...export.artifacts import backends
from ...export.scoring import score_samples
from ...export.sessions import open_session
from ...inspection.base.errors import BeltlineError, RecipeError
from ...inspection.data.dataset import Dataset, evenly
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.data.streaming import frames_of
from ...inspection.statistics.roc import auroc
from ...inspection.statistics.threshold import operating_point
from .timed_networks import local_bench, print_progress

_TRIES = 6
_CLOSE = 0.03
_SEED = 0
_FRAMES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """One pruned network.

    Attributes:
        way: How it was pruned.
        share: Of the full network's engine time that was asked for.
        engine_ms: What it takes.
        macs: Multiply-accumulates of a frame.
        parameters: Learned numbers.
        val_auroc: As it runs, on val.
        test_auroc: And on test.
        escapes: Defective test images passed, at a threshold fitted on val for 5 % overkill.
        overkill: Good test images rejected there.
    """

    way: str
    share: float
    engine_ms: float
    macs: int
    parameters: int
    val_auroc: float
    test_auroc: float
    escapes: int
    overkill: int

    def row(self) -> str:
        """Give a row of Markdown."""
        return (
            f"| {self.way} | {self.share:g} | {self.engine_ms:.3f} | {self.macs / 1e6:.1f} M | {self.parameters:,} | "
            f"{self.val_auroc:.4f} | {self.test_auroc:.4f} | {self.escapes} | {self.overkill} |"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What all ways of pruning share.

    Attributes:
        model: The checkpoint to be pruned.
        teacher: The checkpoint that fine-tunes.
        dataset: Train and val fine-tune, test compares.
        bench: Where and how networks are timed.
        fit: Of the fine-tuning.
        round_to: Fewer channels are a multiple of this.
        folder: Where networks are written.
    """

    model: Path
    teacher: Path
    dataset: Dataset
    bench: EngineBench
    fit: FitSettings
    round_to: int
    folder: Path


def compare(contest: Contest, shares: Sequence[float]) -> Iterator[Pruned]:
    """Prune in each way at each share of the full network's time."""
    full_ms = contest.bench.engine_ms(contest.model)
    yield _judged(contest, contest.model, way="as it is", share=1.0)
    for share in shares:
        for kind in ("taylor", "norm"):
            step = _step(contest, engine_ms=share * full_ms, importance=kind)
            yield _judged(
                contest, _fine_tuned(contest, step, f"{kind}-{share:g}"), way=f"engine_ms, {kind}", share=share
            )
        keep = _keep_for(contest, contest.bench.engine_ms(contest.folder / f"taylor-{share:g}.safetensors"))
        path = _fine_tuned(contest, _step(contest, macs=keep), f"macs-{share:g}")
        yield _judged(contest, path, way=f"torch-pruning, macs {keep:.3f}", share=share)


def _step(contest: Contest, **how: Any) -> PruneStep:
    return PruneStep(**how, round_to=contest.round_to, fit=contest.fit)


def _fine_tuned(contest: Contest, step: PruneStep, name: str) -> Path:
    path = contest.folder / f"{name}.safetensors"
    if not path.is_file():
        context = ModuleContext(
            dataset=contest.dataset,
            teacher=contest.teacher,
            target_file=path,
            partial=contest.folder / f"{name}.partial",
            device="cpu",
            seed=_SEED,
            progress=print_progress,
            timer=contest.bench,
        )
        PRUNE.apply(contest.model, step, context)
    return path


def _keep_for(contest: Contest, wanted_ms: float) -> float:
    """Search the share of multiply-accumulates whose network takes this long, before it is fine-tuned."""
    from ...compress.checkpoint import load_checkpoint, save_checkpoint
    from ...compress.methods.prune.structured import prune_to_macs

    low, high, best = 0.0, 1.0, (1.0, 1.0)
    for number in range(_TRIES):
        keep = (low + high) / 2
        print_progress(f"macs {keep:.3f}", number + 1, _TRIES)
        checkpoint = load_checkpoint(contest.model)
        try:
            left = prune_to_macs(checkpoint.inspector, keep=keep, round_to=contest.round_to)
        except RecipeError:
            low = keep
            continue
        save_checkpoint(contest.folder / "trial.safetensors", checkpoint)
        miss = contest.bench.engine_ms(contest.folder / "trial.safetensors") / wanted_ms - 1
        best = min(best, (abs(miss), left))
        if abs(miss) <= _CLOSE:
            break
        low, high = (low, keep) if miss > 0 else (keep, high)
    return best[1]


def _judged(contest: Contest, path: Path, *, way: str, share: float) -> Pruned:
    """Build a network, time it, and score val and test as it runs."""
    from ...compress.networks.base.counting import count_network

    backend, target = backends()[contest.bench.backend], contest.bench.target
    with tempfile.TemporaryDirectory(prefix="beltline-equal-") as folder:
        artifact = backend.build(contest.bench.graphs(path).final, target, Path(folder))
        with open_session(backend, artifact, threads=target.threads) as session:
            parts = {name: contest.dataset.of(name) for name in ("val", "test")}
            scores = {name: score_samples(session, contest.dataset, samples).scores for name, samples in parts.items()}
    bad = {name: np.array([sample.defective for sample in samples]) for name, samples in parts.items()}
    point = operating_point(scores["val"], bad["val"], max_overkill=0.05, confidence=0.95)
    rejected = scores["test"] >= point.threshold
    return Pruned(
        way=way,
        share=share,
        engine_ms=contest.bench.engine_ms(path),
        **count_network(path),
        val_auroc=auroc(scores["val"], bad["val"]),
        test_auroc=auroc(scores["test"], bad["test"]),
        escapes=int((~rejected & bad["test"]).sum()),
        overkill=int((rejected & ~bad["test"]).sum()),
    )


def main(argv: Sequence[str]) -> int:
    """Print a table in Markdown; 2 after an error that a user can correct."""
    options = _options(argv)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="beltline-equal-time-"))
    try:
        contest = _contest(options, folder)
        sys.stdout.write("| pruned by | share | engine, ms | MACs | parameters | val | test | escapes | overkill |\n")
        sys.stdout.write("| --- " * 9 + "|\n")
        for found in compare(contest, options.shares):
            sys.stdout.write(found.row() + "\n")
            sys.stdout.flush()
    except BeltlineError as error:
        sys.stderr.write(f"equal_time: {error}\n")
        return error.exit_code
    return 0


def _contest(options: argparse.Namespace, folder: Path) -> Contest:
    dataset = _dataset(options, folder)
    fit = FitSettings(epochs=options.epochs, batch=16, learning_rate=0.001, augmentation=AugmentationSettings(crop=96))
    model = options.model or _trained(options, dataset, folder)
    frames = tuple(frames_of(dataset, evenly(dataset.of("val"), _FRAMES)))
    return Contest(
        model=model,
        teacher=options.teacher or model,
        dataset=dataset,
        bench=local_bench(options.backend, frames, int8=options.int8, threads=options.threads, folder=folder),
        fit=fit,
        round_to=options.round_to,
        folder=folder,
    )


def _dataset(options: argparse.Namespace, folder: Path) -> Dataset:
    from ...inspection.synthetic.dataset import write_synthetic_line

    if options.data is not None:
        return load_dataset(DataSettings(root=options.data, reader=options.reader))
    root = folder / "line"
    if not (root / "labels.csv").is_file():
        write_synthetic_line(root, seed=_SEED)
    return load_dataset(DataSettings(root=root, reader="labels_csv"))


def _trained(options: argparse.Namespace, dataset: Dataset, folder: Path) -> Path:
    """Train a plain network of the asked width, to be pruned and to be its own teacher."""
    from ...compress.teacher.settings import TeacherSettings
    from ...compress.teacher.teacher import train_teacher

    path = folder / "model.safetensors"
    if not path.is_file():
        settings = TeacherSettings.model_validate(
            {
                "network": {"family": "plain", "width": options.width},
                "fit": {
                    "epochs": options.train_epochs,
                    "batch": 16,
                    "learning_rate": 0.004,
                    "augmentation": {"crop": 96},
                },
                "device": "cpu",
            }
        )
        train_teacher(settings, dataset, path, partial=folder / "model.partial", seed=_SEED, progress=print_progress)
    return path


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="equal_time", description="Which pruning keeps more at the same time?")
    parser.add_argument("--model", type=Path, default=None, help="a checkpoint; else a plain network is trained")
    parser.add_argument(
        "--teacher", type=Path, default=None, help="the checkpoint that fine-tunes; else the model itself"
    )
    parser.add_argument("--data", type=Path, default=None, help="root of a data set; else the built-in line")
    parser.add_argument("--reader", default=None, help="its layout; else detected")
    parser.add_argument("--width", type=int, default=24, help="of the plain network")
    parser.add_argument("--train-epochs", type=int, default=10, help="of the plain network")
    parser.add_argument("--epochs", type=int, default=4, help="of fine-tuning")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.6, 0.4], help="of the full network's time")
    parser.add_argument("--backend", default="open_vino", help="such as open_vino or onnx_runtime")
    parser.add_argument("--int8", action="store_true", help="quantized before it is timed and scored")
    parser.add_argument("--round-to", type=int, default=8, help="fewer channels are a multiple of this")
    parser.add_argument("--threads", type=int, default=None, help="of the engine; else one per physical core")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for what is made, to go on from")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
