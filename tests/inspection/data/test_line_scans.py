"""Line scans: frames far wider than high, up to 16384 x 16384, read within limits that are said."""

from __future__ import annotations

import resource
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.compress.teacher.frames import frame_spec
from beltline.compress.training.augmentation import Augmenter
from beltline.compress.training.fit_settings import AugmentationSettings
from beltline.compress.training.prepared_cache import PreparedCache
from beltline.compress.training.sampling import views_for
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import CameraSettings, Tiles
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.entries import entry_of
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.images import decode_with_header, read_frame
from beltline.inspection.data.kinds import defect_lengths
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.preparation import prepared, stitched, tiles_of
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import frames_of, held_together, read_sample
from numpy.typing import NDArray

WIDTH = 16384
TILES = Tiles(size=256, overlap=32, scale=0.5)
SPOT_PX = 12


def surface(height: int, seed: int) -> NDArray[np.uint8]:
    grain = np.random.default_rng(seed).integers(90, 160, (512, 512), np.uint8)
    return np.tile(grain, (-(-height // 512), WIDTH // 512))[:height]


def write_line(folder: Path, height: int, parts: int) -> None:
    """Every second part has a spot of 12 pixels; train, val and test in turn."""
    rows = ["path,label,mask,split"]
    for number in range(parts):
        frame, split = surface(height, number), ("train", "val", "test", "train")[number // 2 % 4]
        name, mask = f"{number:02d}.png", ""
        if number % 2:
            top, left = 40 + 7 * number, 15_000 - 900 * number
            marked = np.zeros_like(frame)
            marked[top : top + SPOT_PX, left : left + SPOT_PX] = 255
            frame = np.where(marked > 0, np.uint8(40), frame)
            mask = f"{number:02d}_mask.png"
            cv2.imwrite(str(folder / mask), marked, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        cv2.imwrite(str(folder / name), frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        rows.append(f"{name},{'spot' if number % 2 else 'good'},{mask},{split}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("lines")
    write_line(folder, 512, 8)
    return load_dataset(DataSettings(root=folder, near_duplicates=False), camera=CameraSettings(tiles=TILES))


def test_views_are_cut_around_defects_from_frames_that_are_decoded_once(line: Dataset, tmp_path: Path) -> None:
    spec = frame_spec(line)
    assert spec.prepared_size == (256, WIDTH // 2)
    assert defect_lengths(line, line.samples) == dict.fromkeys(
        [sample.path for sample in line.samples if sample.defective], float(SPOT_PX)
    )
    cache = PreparedCache(tmp_path / "prepared")
    views = views_for(line, AugmentationSettings(rotation_deg=0, zoom=1, aspect=1), spec)
    maker = Augmenter(dataset=line, frame=spec, settings=views, cache=cache)
    bare = replace(maker, cache=None, marks={})
    bad = next(sample for sample in line.of("train") if sample.defective)
    for seed in range(6):
        ours, theirs = (each.view(bad, np.random.default_rng(seed)) for each in (maker, bare))
        assert np.array_equal(ours.pixels, theirs.pixels)
        assert np.array_equal(ours.mask, theirs.mask)
        assert ours.pixels.shape == (256, 256, 1)
    assert np.mean([maker.view(bad, np.random.default_rng(seed)).defective for seed in range(12)]) > 0.6
    kept = sorted((tmp_path / "prepared").glob("*.npy"))
    sizes = {path.name: path.stat().st_blocks * 512 for path in kept}
    assert sizes["0.npy"] >= 256 * WIDTH // 2
    assert sizes["0.mask.npy"] < sizes["0.npy"] / 8


def test_every_pixel_of_a_wide_frame_is_in_a_tile(line: Dataset) -> None:
    spec = frame_spec(line)
    pixels = prepared(read_sample(line, line.samples[0]), spec)
    tiles = list(tiles_of(pixels, spec))
    assert len(tiles) == TILES.count(512, WIDTH) == 37
    assert np.array_equal(stitched([tile[..., 0] for tile in tiles], TILES, *pixels.shape[:2]), pixels[..., 0])


def test_large_frames_are_held_as_far_as_memory_is_set_aside(line: Dataset) -> None:
    assert held_together(line, line.samples, 6) == line.samples[:1] + held_together(line, line.samples, 6)[1:]
    assert len(held_together(line, line.samples, 6)) == 6
    wide = replace(line, samples=tuple(replace(each, height=16384) for each in line.samples))
    assert len(held_together(wide, wide.samples, 64)) == 4
    colour = replace(wide, channels=3)
    assert len(held_together(colour, colour.samples, 64)) == 2
    assert [frame.shape for frame in frames_of(line, line.samples[:2])] == [(512, WIDTH, 1)] * 2


def claiming(width: int, height: int, *, colour: int = 0) -> bytes:
    """A whole PNG that is much smaller than it says."""
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(("width", "height", "colour"), [(16384, 16385, 0), (65536, 8192, 0), (16000, 16784, 6)])
def test_what_is_larger_than_the_limits_is_refused_before_memory_is_taken(width: int, height: int, colour: int) -> None:
    wanted = f"such as 16384 x 16384, and 1,073,741,824 bytes decoded, got {width} x {height}"
    with pytest.raises(DataError, match=wanted):
        decode_with_header(Path("a.png"), claiming(width, height, colour=colour))


@pytest.mark.slow
def test_a_frame_of_16384_x_16384_is_read_within_two_gigabytes(tmp_path: Path) -> None:
    frame = surface(WIDTH, 3)
    cv2.imwrite(str(tmp_path / "a.png"), frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    del frame
    entry = entry_of(tmp_path / "a.png")
    assert (entry.height, entry.width, entry.colour) == (WIDTH, WIDTH, False)
    whole = read_frame(tmp_path / "a.png", channels=1)
    spec = FrameSpec(
        height=256,
        width=256,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        frame_height=WIDTH,
        frame_width=WIDTH,
        resize="area",
        tiles=TILES,
    )
    pixels = prepared(whole, spec)
    assert pixels.shape == (WIDTH // 2, WIDTH // 2, 1)
    assert sum(1 for _ in tiles_of(pixels, spec)) == TILES.count(WIDTH, WIDTH) == 37 * 37
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000
