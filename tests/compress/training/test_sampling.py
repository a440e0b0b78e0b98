from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from beltline.compress.training.fit_settings import AugmentationSettings
from beltline.compress.training.sampling import draw, shown, views_for
from beltline.inspection.data.dataset import Dataset


@pytest.mark.parametrize(("every", "crop", "left"), [(4, 64, "masked"), (1, None, "all")])
def test_a_few_missing_masks_do_not_cost_the_crops(line_data: Dataset, every: int, crop: int | None, left: str) -> None:
    bad = [sample.path for sample in line_data.of("train") if sample.defective]
    gone = set(bad[::every])
    data = replace(line_data, samples=tuple(replace(s, mask=None) if s.path in gone else s for s in line_data.samples))
    views = views_for(data, AugmentationSettings(crop=64))
    assert views.crop == crop
    left_out = {sample.path for sample in data.of("train")} - {s.path for s in shown(data.of("train"), views)}
    assert left_out == (gone if left == "masked" else set())


def test_draws_are_half_defective_and_prefer_hard_good_parts(line_data: Dataset) -> None:
    samples = line_data.of("train")
    good = [index for index, sample in enumerate(samples) if not sample.defective]
    hardness = [0.0] * len(samples)
    hardness[good[0]] = 1.0
    drawn = draw(samples, hardness, 4000, seed=0, epoch=1)
    defective = np.array([samples[index].defective for index in drawn])
    assert defective.mean() == pytest.approx(0.5, abs=0.01)
    counts = np.bincount(drawn, minlength=len(samples))
    assert counts[good[0]] > 3 * np.median(counts[good[1:]])
