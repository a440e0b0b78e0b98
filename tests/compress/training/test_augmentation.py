from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from beltline.compress.teacher.frames import frame_spec
from beltline.compress.training.augmentation import Augmenter, View
from beltline.compress.training.fit_settings import AugmentationSettings
from beltline.inspection.data.dataset import Dataset, Sample
from beltline.inspection.data.images import read_frame
from beltline.inspection.data.masks import read_mask

STILL = AugmentationSettings(crop=None, symmetries="none", zoom=1, aspect=1, rotation_deg=0, lighting=0)


def maker(data: Dataset, settings: AugmentationSettings) -> Augmenter:
    return Augmenter(dataset=data, frame=frame_spec(data), settings=settings)


def first(data: Dataset, *, defective: bool) -> Sample:
    return next(sample for sample in data.of("train") if sample.defective == defective)


def views(data: Dataset, settings: AugmentationSettings, sample: Sample, count: int = 40) -> list[View]:
    made = maker(data, settings)
    return [made.view(sample, np.random.default_rng(seed)) for seed in range(count)]


def likeness(view: View, frame: np.ndarray) -> float:
    """Correlation of the view's middle with the frame, at the best whole-pixel shift."""
    shifts = [(dy, dx) for dy in range(-7, 8) for dx in range(-7, 8)]
    middle = np.s_[16:-16, 16:-16]
    return max(
        float(np.corrcoef(np.roll(view.pixels, shift, (0, 1))[middle].ravel(), frame[middle].ravel())[0, 1])
        for shift in shifts
    )


def test_a_still_whole_frame_view_is_the_frame_up_to_its_jitter(line_data: Dataset) -> None:
    sample = first(line_data, defective=True)
    frame = read_frame(line_data.root / sample.path, channels=1)
    mask = read_mask(line_data.root / str(sample.mask), line_data.masks)
    for view in views(line_data, STILL, sample, 8):
        assert likeness(view, frame) > 0.9
        assert abs(int(view.mask.astype(bool).sum()) - int(mask.sum())) <= 0.3 * mask.sum() + 20


def test_the_same_generator_state_gives_the_same_view(line_data: Dataset) -> None:
    settings = AugmentationSettings(crop=64, lighting=1)
    one, other = (views(line_data, settings, first(line_data, defective=True), 3) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.pixels, b.pixels)
        assert np.array_equal(a.mask, b.mask)


def test_crops_of_a_defective_part_mostly_show_the_defect(line_data: Dataset) -> None:
    seen = views(line_data, AugmentationSettings(crop=64), first(line_data, defective=True))
    assert {view.pixels.shape for view in seen} == {(64, 64, 1)}
    assert sum(view.defective for view in seen) >= 0.7 * len(seen)
    assert all(view.defective == bool(view.mask.any()) for view in seen)


def test_views_of_a_good_part_are_good(line_data: Dataset) -> None:
    assert not any(
        view.defective or view.mask.any()
        for view in views(line_data, AugmentationSettings(crop=64), first(line_data, defective=False))
    )


def test_an_image_label_alone_makes_the_whole_view_defective_without_a_mask(line_data: Dataset) -> None:
    labelled = replace(first(line_data, defective=True), mask=None)
    for view in views(line_data, AugmentationSettings(crop=None), labelled, 5):
        assert (view.defective, view.has_mask, bool(view.mask.any())) == (True, False, False)


def test_frame_and_mask_move_together(line_data: Dataset) -> None:
    """Paint the defect into the frame: wherever the view goes, the paint lies under the mask."""
    sample = first(line_data, defective=True)
    mask = read_mask(line_data.root / str(sample.mask), line_data.masks)
    painted = (mask * 255).astype(np.uint8)[..., None]
    from beltline.compress.training import augmentation as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_sample", lambda *_args, **_options: painted)
        for view in views(line_data, AugmentationSettings(crop=64, zoom=1.5, rotation_deg=30, lighting=0), sample, 20):
            inside = view.pixels[view.mask > 0]
            assert inside.size == 0 or np.median(inside) > 90


def test_negatives_are_the_views_turned_about_and_keep_their_masks(line_data: Dataset) -> None:
    sample = first(line_data, defective=True)
    plain, turned = (
        views(line_data, AugmentationSettings(crop=64, lighting=0, invert=share), sample, 10) for share in (0.0, 1.0)
    )
    for one, other in zip(plain, turned, strict=True):
        assert np.array_equal(one.pixels, 255 - other.pixels)
        assert np.array_equal(one.mask, other.mask)


def test_negatives_say_nothing_of_kinds(line_data: Dataset) -> None:
    """An open line, inverted, is a short: what is marked stays, its kind is not known."""
    sample = first(line_data, defective=True)
    for share in (0.0, 1.0):
        made = maker(line_data, AugmentationSettings(crop=64, lighting=0, invert=share))
        telling = replace(made, frame=replace(made.frame, kinds=line_data.kinds))
        seen = [telling.view(sample, np.random.default_rng(seed)) for seed in range(10)]
        assert any(view.mask.any() for view in seen)
        assert all(view.kinds is not None and (share < 1 or not view.kinds.any()) for view in seen)
        assert share == 1 or any(view.kinds is not None and view.kinds.any() for view in seen)


def test_strokes_show_good_frames_with_made_up_defects(line_data: Dataset) -> None:
    settings = AugmentationSettings(crop=64, lighting=0, synthetic_defects=0.5)
    good = tuple(sample for sample in line_data.of("train") if not sample.defective)
    drawing = replace(maker(line_data, settings), grounds=good)
    labelled = replace(first(line_data, defective=True), mask=None)
    seen = [drawing.view(labelled, np.random.default_rng(seed)) for seed in range(60)]
    assert sum(view.has_mask for view in seen) == pytest.approx(30, abs=10)
    assert all(view.defective for view in seen)
    assert all(view.mask.any() == view.has_mask for view in seen)
    assert not any(drawing.view(good[0], np.random.default_rng(seed)).mask.any() for seed in range(20))


@pytest.mark.parametrize("symmetries", ["all", "mirror", "none"])
def test_symmetries_reach_just_the_orientations_they_name(symmetries: str) -> None:
    from beltline.compress.training import augmentation as module

    settings = AugmentationSettings.model_validate({"symmetries": symmetries})
    found = {tuple(module._symmetry(settings, np.random.default_rng(seed)).astype(int).ravel()) for seed in range(100)}
    assert len(found) == {"all": 8, "mirror": 4, "none": 1}[symmetries]
