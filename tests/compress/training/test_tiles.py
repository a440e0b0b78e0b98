from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.teacher.frames import frame_spec, network_size, shrinks
from beltline.compress.training.augmentation import Augmenter
from beltline.compress.training.fit_settings import AugmentationSettings
from beltline.compress.training.sampling import views_for
from beltline.compress.training.scores import batch_scores
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import CameraSettings, Tiles
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.preparation import prepared, tiles_of
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample
from beltline.inspection.synthetic.camera import Camera, write_camera_line

TILES = Tiles(size=96, overlap=16)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camera")
    write_camera_line(folder, Camera(width=320, height=200), parts=60, defect_px=(6, 20))
    ignore = np.zeros((200, 320), np.uint8)
    ignore[:, 300:] = 255
    cv2.imwrite(str(folder / "ignore.png"), ignore)
    return folder


def test_views_are_tiles_at_the_scale_of_the_tiles(root: Path) -> None:
    dataset = load_dataset(DataSettings(root=root), camera=CameraSettings(tiles=TILES, ignore=root / "ignore.png"))
    spec = frame_spec(dataset)
    assert (spec.height, spec.width, spec.resize, spec.prepared_size) == (96, 96, "area", (200, 320))
    views = views_for(dataset, AugmentationSettings(rotation_deg=0), spec)
    assert views.crop == 96
    maker = Augmenter(dataset=dataset, frame=spec, settings=views)
    bad = [sample for sample in dataset.of("train") if sample.defective]
    seen = [maker.view(sample, np.random.default_rng(at)) for at, sample in enumerate(bad)]
    assert {view.pixels.shape for view in seen} == {(96, 96, 1)}
    assert np.mean([view.defective for view in seen]) > 0.6


def test_a_frame_scores_as_the_worst_of_its_tiles(root: Path) -> None:
    dataset = load_dataset(DataSettings(root=root), camera=CameraSettings(tiles=TILES))
    spec = frame_spec(dataset)
    torch.manual_seed(0)
    inspector = Inspector(build_network({"family": "plain", "width": 8, "depth": 1}, 1), spec).eval()
    samples = dataset.of("test")[:4]
    scores = batch_scores(inspector, dataset, samples, torch.device("cpu"), batch=5)
    for score, sample in zip(scores, samples, strict=True):
        pixels = prepared(read_sample(dataset, sample), spec)
        with torch.inference_mode():
            worst = max(float(inspector(torch.from_numpy(tile))[0]) for tile in tiles_of(pixels, spec))
        assert 1 / (1 + np.exp(-score)) == pytest.approx(worst, abs=1e-5)


def test_defects_without_marks_cannot_be_cut_into_tiles(root: Path) -> None:
    dataset = load_dataset(DataSettings(root=root), camera=CameraSettings(tiles=TILES))
    bare = replace(dataset, samples=tuple(replace(each, mask=None) for each in dataset.samples))
    with pytest.raises(DataError, match="18 of 18 defective training images do not say where their defect is"):
        views_for(bare, AugmentationSettings(), frame_spec(dataset))


def test_another_input_size_than_the_tiles_is_refused(root: Path) -> None:
    dataset = load_dataset(DataSettings(root=root), camera=CameraSettings(tiles=TILES))
    with pytest.raises(DataError, match=r"networks take the camera's tiles of 96 pixels, got \[64, 64\]; drop it"):
        frame_spec(dataset, (64, 64))
    with pytest.raises(DataError, match="tiles of 96 are what every network of this line takes"):
        frame_spec(dataset).of_size(64, 64)


def test_frames_of_single_lines_are_refused(root: Path) -> None:
    dataset = load_dataset(DataSettings(root=root))
    thin = replace(dataset, samples=tuple(replace(each, height=1) for each in dataset.samples))
    with pytest.raises(DataError, match="at least 8 pixels a side, got 320 x 1; let the line scan camera gather lines"):
        frame_spec(thin)


def test_wide_frames_are_divided_until_a_network_takes_them(root: Path) -> None:
    dataset = load_dataset(DataSettings(root=root))
    wide = replace(dataset, samples=tuple(replace(each, height=2048, width=8192) for each in dataset.samples))
    assert network_size(wide, None) == (1024, 4096)
    assert shrinks(wide, 1024, 4096)
