from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import MaskRule
from beltline.inspection.data.entries import entry_of
from beltline.inspection.data.headers import header_of
from beltline.inspection.data.images import read_frame
from beltline.inspection.data.masks import read_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

_COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
_STARTS = [b"", b"BM", b"II*\0", b"MM\0*", b"\xff\xd8\xff", b"P5\n", b"RIFF\0\0\0\0WEBPVP8 ", b"\xff\x4f\xff\x51"]
_DEEP = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)


def _save(path: Path, pixels: NDArray[np.generic], *options: int) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, pixels, list(options))[1].tobytes())
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".tif"])
def test_eight_bit_colour_comes_as_rgb_and_grey_as_stored(tmp_path: Path, suffix: str) -> None:
    colour = read_frame(_save(tmp_path / f"c{suffix}", _COLOUR), channels=3)
    grey = read_frame(_save(tmp_path / f"g{suffix}", _COLOUR[..., 0]), channels=1)
    assert np.array_equal(colour, _COLOUR[..., ::-1])
    assert np.array_equal(grey[..., 0], _COLOUR[..., 0])
    assert colour.flags.c_contiguous
    assert grey.shape == (20, 30, 1)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("bit_depth", [16, 12, 10])
def test_sixteen_bit_files_keep_the_upper_eight_bits_in_use(tmp_path: Path, suffix: str, bit_depth: int) -> None:
    stored = _DEEP >> (16 - bit_depth)
    frame = read_frame(_save(tmp_path / f"d{suffix}", stored), channels=3, bit_depth=bit_depth)
    assert np.array_equal(frame, (_DEEP[..., ::-1] >> 8).astype(np.uint8))


def test_values_above_the_bit_depth_are_refused_with_the_depth_to_set(tmp_path: Path) -> None:
    path = _save(tmp_path / "d.png", np.full((4, 4), 5000, np.uint16))
    with pytest.raises(DataError, match=r"d\.png: wanted values of 12 bits, got 5000; set data\.bit_depth to 13"):
        read_frame(path, channels=1, bit_depth=12)


def test_jpeg_grey_and_colour_convert_both_ways(tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(_COLOUR, (0, 0), 4)
    path = _save(tmp_path / "c.jpg", smooth, cv2.IMWRITE_JPEG_QUALITY, 100)
    assert np.abs(read_frame(path, channels=3).astype(int) - smooth[..., ::-1]).max() < 12
    assert read_frame(path, channels=1).shape == (20, 30, 1)
    grey = read_frame(_save(tmp_path / "g.jpeg", smooth[..., 0]), channels=3)
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_one_bit_png_reads_as_0_and_255(tmp_path: Path) -> None:
    path = _save(tmp_path / "b.png", (_COLOUR[..., 0] > 127).astype(np.uint8) * 255, cv2.IMWRITE_PNG_BILEVEL, 1)
    assert path.read_bytes()[24] == 1
    assert np.array_equal(read_frame(path, channels=1)[..., 0], np.where(_COLOUR[..., 0] > 127, 255, 0))


def test_transparency_is_dropped(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", np.dstack((_COLOUR, np.full((20, 30), 7, np.uint8))))
    assert np.array_equal(read_frame(path, channels=3), _COLOUR[..., ::-1])


@pytest.mark.parametrize(
    ("rule", "values", "marked"),
    [
        (MaskRule(soft=True, above=127), [0, 127, 128, 255], [0, 0, 1, 1]),
        (MaskRule(soft=True, above=127, inverted=True), [0, 127, 128, 255], [1, 1, 0, 0]),
        (MaskRule(), [0, 1, 2, 9], [0, 1, 1, 1]),
        (MaskRule(), [0, 0, 0, 0], [0, 0, 0, 0]),
        (MaskRule(ignore=(255,)), [0, 1, 2, 255], [0, 1, 1, 0]),
        (MaskRule(background=255), [0, 1, 2, 255], [1, 1, 1, 0]),
    ],
)
def test_masks_are_soft_edges_or_class_numbers(
    tmp_path: Path, rule: MaskRule, values: list[int], marked: list[int]
) -> None:
    mask = read_mask(_save(tmp_path / "m.png", np.array([values], np.uint8)), rule)
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[bool(each) for each in marked]]


def test_a_coloured_mask_counts_its_largest_channel(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 1, 2] = 200
    path = _save(tmp_path / "m.png", pixels)
    assert read_mask(path, MaskRule(soft=True, above=127)).tolist() == [[False, True], [False, False]]
    assert read_mask(path, MaskRule()).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"])
def test_the_header_gives_the_size_without_decoding(tmp_path: Path, suffix: str) -> None:
    header = header_of(_save(tmp_path / f"x{suffix}", _COLOUR).read_bytes())
    assert (header.height, header.width) == (20, 30)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"])
def test_every_cut_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = _save(tmp_path / f"x{suffix}", _COLOUR[:8, :8])
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"x\."):
            read_frame(path, channels=3)


@pytest.mark.parametrize(
    ("suffix", "pixels", "pixel_bytes"),
    [
        (".png", np.zeros((4, 5), np.uint8), 1),
        (".png", np.zeros((4, 5), np.uint16), 2),
        (".png", np.zeros((4, 5, 3), np.uint8), 3),
        (".png", np.zeros((4, 5, 4), np.uint16), 8),
        (".jpg", np.zeros((4, 5), np.uint8), 1),
        (".jpg", np.zeros((4, 5, 3), np.uint8), 3),
        (".bmp", np.zeros((4, 5, 3), np.uint8), 3),
        (".bmp", np.zeros((4, 5, 4), np.uint8), 4),
        (".tiff", np.zeros((4, 5), np.uint16), 2),
        (".tiff", np.zeros((4, 5, 4), np.uint16), 8),
        (".tiff", np.zeros((4, 5, 3), np.float32), 12),
    ],
)
def test_memory_is_counted_with_the_files_own_channels_and_depth(
    suffix: str, pixels: np.ndarray, pixel_bytes: int
) -> None:
    header = header_of(cv2.imencode(suffix, pixels)[1].tobytes())
    assert (header.pixel_bytes, header.decoded_bytes) == (pixel_bytes, 20 * pixel_bytes)


def test_a_progressive_jpeg_keeps_its_coefficients_too() -> None:
    content = cv2.imencode(".jpg", np.zeros((4, 5, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert header_of(content).pixel_bytes == 9


@settings(max_examples=200, deadline=None)
@given(data=st.data(), suffix=st.sampled_from([".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"]))
def test_damaged_headers_never_show_a_traceback(data: st.DataObject, suffix: str) -> None:
    content = bytearray(cv2.imencode(suffix, _COLOUR[:8, :8])[1].tobytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        header = header_of(bytes(content))
    except DataError:
        return
    assert header.height > 0


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary(max_size=200),
    start=st.sampled_from(_STARTS),
)
def test_any_bytes_are_an_image_or_a_data_error(content: bytes, start: bytes) -> None:
    try:
        header_of(start + content)
    except DataError:
        return


def test_jpeg_2000_is_read_and_its_cuts_are_noticed(tmp_path: Path) -> None:
    smooth = cv2.resize(_COLOUR, (96, 64))
    path = _save(tmp_path / "x.jp2", smooth)
    whole = path.read_bytes()
    assert np.abs(read_frame(path, channels=3).astype(int) - smooth[..., ::-1]).mean() < 4
    for length in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"x\.jp2"):
            read_frame(path, channels=3)


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 3)])
def test_a_jpeg_that_was_cut_and_ended_again_is_named(tmp_path: Path, options: tuple[int, ...]) -> None:
    smooth = cv2.resize(_COLOUR, (301, 203))
    path = _save(tmp_path / "x.jpg", smooth, *options)
    whole = path.read_bytes()
    assert entry_of(path).width == 301
    for share in (0.2, 0.4, 0.6):
        path.write_bytes(whole[: int(share * len(whole))] + b"\xff\xd9")
        with pytest.raises(DataError, match=r"x\.jpg: truncated JPEG: (its data ends|scans of the progressive)"):
            entry_of(path)
        with pytest.raises(DataError, match=r"x\.jpg: truncated JPEG"):
            read_frame(path, channels=3)


def test_a_whole_jpeg_with_an_even_grey_corner_is_read(tmp_path: Path) -> None:
    pixels = np.full((64, 64, 3), 128, np.uint8)
    pixels[:16, :16] = 200
    assert entry_of(_save(tmp_path / "x.jpg", pixels)).peak > 190


def test_orientation_tags_are_followed_in_no_kind_of_file(tmp_path: Path) -> None:
    tiff = bytearray(cv2.imencode(".tiff", _COLOUR, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes())
    page = int.from_bytes(tiff[4:8], "little")
    count = int.from_bytes(tiff[page : page + 2], "little")
    tags = tiff[page + 2 : page + 2 + 12 * count]
    tag = struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    parts = sorted(
        [*(bytes(tags[at : at + 12]) for at in range(0, 12 * count, 12)), tag], key=lambda each: each[:2][::-1]
    )
    tiff[4:8] = len(tiff).to_bytes(4, "little")
    tiff += struct.pack("<H", len(parts)) + b"".join(parts) + bytes(4)
    (tmp_path / "x.tiff").write_bytes(tiff)
    assert header_of(bytes(tiff)).orientation == 6
    assert np.array_equal(read_frame(tmp_path / "x.tiff", channels=3), _COLOUR[..., ::-1])


def test_a_window_maps_its_ends_to_black_and_white_and_clips(tmp_path: Path) -> None:
    path = _save(tmp_path / "x.png", np.array([[0, 1000, 2000, 3000, 65535]], np.uint16))
    assert read_frame(path, channels=1, window=(1000, 3000))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    shallow = _save(tmp_path / "y.png", np.array([[0, 100, 255]], np.uint8))
    assert read_frame(shallow, channels=1, window=(1000, 3000))[0, :, 0].tolist() == [0, 100, 255]


def test_a_claimed_size_above_268_megapixels_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = _save(tmp_path / "x.bmp", _COLOUR)
    content = bytearray(path.read_bytes())
    content[18:26] = (100_000).to_bytes(4, "little") * 2
    content[30:34] = (1).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"at most 268,435,456 pixels, .* got 100000 x 100000"):
        read_frame(path, channels=1)


def test_float_pixels_other_files_folders_and_missing_ones_are_named(tmp_path: Path) -> None:
    floats = _save(tmp_path / "f.tiff", _COLOUR.astype(np.float32))
    (tmp_path / "t.png").write_text("no image")
    (tmp_path / "e.png").touch()
    (tmp_path / "d.png").mkdir()
    for path, reason in [
        (floats, "got float32"),
        (tmp_path / "t.png", "wanted PNG, JPEG, BMP, TIFF"),
        (tmp_path / "e.png", "an empty file"),
        (tmp_path / "d.png", "a folder"),
        (tmp_path / "n.png", "No such file"),
    ]:
        with pytest.raises(DataError, match=rf"{path.name}.*{reason}"):
            read_frame(path, channels=1)
