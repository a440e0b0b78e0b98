"""Would a station call these photographs other parts? `python -m beltline.studies.station.drift BUNDLE DATA`.

The data set's frames go through the bundle's model in a fixed shuffled order, with as many defective ones among them as
asked, and through the same watch that a station has; each window prints one row for each number.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ...export.artifacts import backends
from ...export.bundles.reading import Unpacked, open_bundle
from ...export.sessions import open_session
from ...inspection.base.errors import BeltlineError, BundleError, DataError
from ...inspection.data.dataset import Dataset, Sample
from ...inspection.data.settings import DataSettings
from ...station.outcomes import Outcome, Seen
from ...station.watching.drift import DriftSettings, DriftTest, DriftWatch

_SEED = 1


def drift_on(
    unpacked: Unpacked, dataset: Dataset, samples: Sequence[Sample], settings: DriftSettings
) -> list[DriftTest]:
    """Show samples to a station's watch.

    Raises:
        BundleError: The bundle has no reference.
        DataError: An image cannot be read.
    """
    from ...inspection.data.streaming import frames_of

    model, reference = unpacked.manifest.models[0], unpacked.reference()
    if reference is None:
        msg = f"{unpacked.manifest.version} has no reference to compare with; bundle its run again"
        raise BundleError(msg)
    watch = DriftWatch(
        settings,
        reference_of=lambda _: reference.samples(model.backend),
        period_ms=unpacked.manifest.budget.period_ms,
    )
    looks: list[DriftTest] = []
    with open_session(backends()[model.backend], unpacked.artifact(model), threads=1) as session:
        for frame in frames_of(dataset, samples):
            watch.take(_seen(frame, session.infer(frame).score, unpacked.manifest.version))
            if watch.latest is not None and watch.latest not in looks[-1:]:
                looks.append(watch.latest)
    return looks


def shuffled(dataset: Dataset, split: str, *, count: int, defective: float) -> list[Sample]:
    """Choose frames of a split in a fixed shuffled order, again from the start where it ends.

    Args:
        dataset: Where they are.
        split: `train`, `val` or `test`.
        count: How many frames.
        defective: Share of defective ones, in [0, 1).

    Raises:
        DataError: There are none of the frames needed.
    """
    chance = random.Random(_SEED)  # noqa: S311 - an order, no secret
    chosen: list[Sample] = []
    for kind, share in ((True, defective), (False, 1 - defective)):
        pool = [sample for sample in dataset.samples if sample.split == split and sample.defective is kind]
        wanted = round(share * count)
        if wanted and not pool:
            msg = f"{dataset.name}: split {split} has no {'defective' if kind else 'good'} frames; name another split"
            raise DataError(msg)
        chance.shuffle(pool)
        chosen += islice(cycle(pool), wanted)
    chance.shuffle(chosen)
    return chosen


def _seen(frame: NDArray[np.uint8], score: float, bundle: str) -> Seen:
    outcome = Outcome(
        number=0,
        frame_number=0,
        source="",
        name="",
        answer="pass",
        standing="answered",
        score=score,
        threshold=1.0,
        captured_ns=0,
        decided_ns=0,
        unix_ns=0,
        bundle=bundle,
    )
    return Seen(outcome=outcome, image=frame, heatmap=None)


def _row(look: DriftTest) -> list[str]:
    return [
        f"{look.number:>3}  {each.what:<10}  {each.reference_median:>9.4g}  {each.median:>9.4g}  "
        f"{each.distance:>8.3f}  {each.p_value:>8.2g}  {each.p_corrected:>11.2g}{'  drifts' if each.drifts else ''}"
        for each in look.findings
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study from the command line."""
    from ...inspection.data.loading import load_dataset

    parser = argparse.ArgumentParser(prog="python -m beltline.studies.station.drift", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path, help="folder of a data set in any layout that Beltline reads")
    parser.add_argument("--split", default="test", choices=["train", "val", "test"])
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--defective", type=float, default=0.02, help="share of defective frames")
    given = parser.parse_args(arguments)
    settings = DriftSettings()
    try:
        dataset = load_dataset(DataSettings(root=given.data))
        count = given.windows * settings.window_frames
        samples = shuffled(dataset, given.split, count=count, defective=given.defective)
        with TemporaryDirectory() as folder, open_bundle(given.bundle) as bundle:
            looks = drift_on(bundle.unpack(Path(folder)), dataset, samples, settings)
    except BeltlineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    header = "  #  number      reference     window  distance         p  corrected p"
    sys.stdout.write("\n".join([header, *(row for look in looks for row in _row(look))]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
