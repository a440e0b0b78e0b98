"""How well a memory of good parts tells defects that it has never seen: AUROC on val, and once at the end on test.

Run: python -m beltline.studies.quality.good_only ../shared/data/magnetic_tile [--folds 5] [--test] [--size 320 256]
     [--covariance 8 16] [--nearest 32]

Good parts of train alone are remembered; defects of val and test only judge. With `--folds` the parts of train and val
are dealt to so many folds instead: good parts of the others are remembered, and all parts of a fold judge, which are
many more defects than val has, and as many choices of what is remembered as there are folds.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from ...compress.checkpoint import load_checkpoint
from ...compress.networks.base.inspector import score_logits
from ...compress.teacher.memory import empty_memory, features_of, fit_memory, halves_of
from ...compress.teacher.memory_fit import remember
from ...compress.teacher.settings import TeacherSettings
from ...compress.training.scores import batch_scores
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.statistics.roc import auroc, auroc_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ...compress.networks.base.inspector import Inspector
    from ...compress.networks.base.memory_network import MemoryNetwork
    from ...inspection.data.dataset import Dataset, Sample, Split


def main() -> None:
    """Fit, score, print."""
    options = _options()
    data = load_dataset(DataSettings(root=options.data))
    good = replace(
        data, samples=tuple(each for each in data.samples if not each.defective), name=f"{data.name}, good parts only"
    )
    strides = {"covariance": options.covariance, "nearest": options.nearest}
    network = {"family": "memory", **{name: each for name, each in strides.items() if each is not None}}
    settings = TeacherSettings.model_validate({"kind": "memory", "input_size": options.size, "network": network})
    if options.folds is not None:
        _judge_folds(settings, data, options.folds)
        return
    with TemporaryDirectory() as folder:
        path, started = Path(folder) / "teacher.safetensors", time.monotonic()
        fit_memory(settings, good, path, seed=0, progress=lambda *_: None)
        inspector = load_checkpoint(path).inspector
        frame = inspector.frame
        sys.stdout.write(f"fitted in {time.monotonic() - started:.0f} s, input {frame.height} x {frame.width}\n")
        splits: tuple[Split, ...] = ("val", "test") if options.test else ("val",)
        for split in splits:
            sys.stdout.write(f"{_judged(inspector, data, split)}\n")
            sys.stdout.flush()


def _judge_folds(settings: TeacherSettings, data: Dataset, folds: int) -> None:
    """Ask the backbone once for all frames of train and val, then remember and judge fold by fold."""
    samples = [sample for sample in data.samples if sample.split in {"train", "val"}]
    inspector = empty_memory(settings, data)
    network = cast("MemoryNetwork", inspector.network)
    levels, owners = features_of(inspector, data, samples, torch.device("cpu"), lambda *_: None)
    dealt, defective = _dealt(samples, folds), np.array([sample.defective for sample in samples])
    scores, areas = np.zeros(len(samples)), []
    for fold in range(folds):
        torch.manual_seed(fold)
        judges, kept = dealt == fold, np.flatnonzero((dealt != fold) & ~defective)
        good = {stride: level[kept] for stride, level in levels.items()}
        halves = halves_of([samples[index] for index in kept])
        remember(network, good, halves, torch.arange(len(kept)), place=float(settings.network["place"]))
        scores[judges] = _scores(network, {stride: level[judges] for stride, level in levels.items()})
        areas.append(auroc(scores[judges], defective[judges]))
    low, high = auroc_interval(scores, defective, [sample.group for sample in samples])
    each = ", ".join(f"{area:.3f}" for area in areas)
    sys.stdout.write(f"folds: {each}; mean {np.mean(areas):.3f}\n")
    sys.stdout.write(
        f"together: AUROC {auroc(scores, defective):.3f} ({low:.3f} to {high:.3f}), {int(defective.sum())} defective "
        f"and {int((~defective).sum())} good photographs of {len(owners)}\n"
    )


@torch.inference_mode()
def _scores(network: MemoryNetwork, levels: dict[int, Tensor]) -> NDArray[np.float64]:
    count = len(next(iter(levels.values())))
    batches = ([level[start : start + 16] for level in levels.values()] for start in range(0, count, 16))
    found = [
        score_logits(network.judged({stride: each.float() for stride, each in zip(levels, batch, strict=True)}))
        for batch in batches
    ]
    return torch.cat(found).numpy().astype(np.float64)


def _dealt(samples: Sequence[Sample], folds: int) -> NDArray[np.int64]:
    """Deal parts to folds, those with a defect and those without apart, in an order that their names fix."""
    bad = {sample.group for sample in samples if sample.defective}
    names = {sample.group for sample in samples}
    ordered = sorted(names, key=lambda name: (name not in bad, hashlib.sha256(name.encode()).digest()))
    fold_of = {name: place % folds for place, name in enumerate(ordered)}
    return np.array([fold_of[sample.group] for sample in samples])


def _judged(inspector: Inspector, data: Dataset, split: Split) -> str:
    samples = data.of(split)
    scores = batch_scores(inspector, data, samples, torch.device("cpu"))
    defective = np.array([sample.defective for sample in samples])
    low, high = auroc_interval(scores, defective, [sample.group for sample in samples])
    return (
        f"{split}: AUROC {auroc(scores, defective):.3f} ({low:.3f} to {high:.3f}), "
        f"{int(defective.sum())} defective and {int((~defective).sum())} good photographs"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=None, help="deal the parts of train and val to so many folds")
    parser.add_argument("--test", action="store_true", help="also the test split: once, when all is settled")
    parser.add_argument("--size", type=int, nargs=2, default=None, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--covariance", type=int, nargs="*", default=None, metavar="STRIDE")
    parser.add_argument("--nearest", type=int, nargs="*", default=None, metavar="STRIDE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
