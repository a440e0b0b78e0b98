from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.compress.training.sampling import draw, epoch_steps, shown, views_for
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec

FRAME = FrameSpec(height=128, width=128, channels=1, mean=(0.5,), std=(0.25,))


@pytest.mark.parametrize(("every", "crop", "left"), [(4, 64, "masked"), (1, None, "all")])
def test_a_few_missing_masks_do_not_cost_the_crops(line_data: Dataset, every: int, crop: int | None, left: str) -> None:
    bad = [sample.path for sample in line_data.of("train") if sample.defective]
    gone = set(bad[::every])
    data = replace(line_data, samples=tuple(replace(s, mask=None) if s.path in gone else s for s in line_data.samples))
    views = views_for(data, AugmentationSettings(crop=64, whole=0), FRAME)
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


@pytest.mark.parametrize(("pixels", "crop"), [(128, None), (1024, 256), (512, 128)])
def test_crops_left_to_us_are_four_times_the_usual_defect(line_data: Dataset, pixels: int, crop: int | None) -> None:
    larger = replace(FRAME, height=pixels, width=pixels)  # defects of 20 to 40 px on 128 become 80 to 160 on 512
    found = views_for(line_data, AugmentationSettings(), larger).crop
    assert found is None if crop is None else isinstance(found, int) and crop <= found <= 256


def test_crops_left_to_us_without_masks_are_whole_frames(line_data: Dataset) -> None:
    bare = replace(line_data, samples=tuple(replace(sample, mask=None) for sample in line_data.samples))
    assert views_for(bare, AugmentationSettings(), replace(FRAME, height=1024, width=1024)).crop is None


def test_a_share_of_the_steps_shows_whole_frames_and_only_there_defects_without_masks(line_data: Dataset) -> None:
    bad = [sample.path for sample in line_data.of("train") if sample.defective]
    gone = set(bad[::4])
    data = replace(line_data, samples=tuple(replace(s, mask=None) if s.path in gone else s for s in line_data.samples))
    fit = FitSettings(batch=8, augmentation=AugmentationSettings(crop=64, whole=0.25))
    samples = shown(data.of("train"), fit.augmentation)
    steps = epoch_steps(samples, [0.5] * len(samples), fit, 40, seed=3, epoch=2)
    assert [each.samples.shape for each in steps] == [(8,)] * 40
    assert sum(each.whole for each in steps) == 10
    unmasked = [{samples[at].path for at in each.samples} & gone for each in steps]
    assert not any(found for each, found in zip(steps, unmasked, strict=True) if not each.whole)
    assert any(found for each, found in zip(steps, unmasked, strict=True) if each.whole)
