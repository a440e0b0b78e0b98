import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest
from beltline.benchmarks.report.gallery import (
    MOST_PER_KIND,
    GalleryItem,
    cards,
    data_uri,
    overlay,
    window_of,
)
from beltline.inspection.base.errors import DataError
from numpy.typing import NDArray


def decoded(uri: str) -> NDArray[np.uint8]:
    content = base64.b64decode(uri.split(",", 1)[1])
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_new_escapes_come_first_and_escapes_before_overkills(gallery: list[GalleryItem]) -> None:
    drawn = cards(gallery[::-1], threshold=0.42, new_paths=["test/short/50600031_04.png"])
    assert [card.item.label for card in drawn] == ["short", "open", "good"]
    assert [card.is_new for card in drawn] == [True, False, False]


def test_pictures_are_small_and_keep_their_shape(gallery: list[GalleryItem]) -> None:
    for card in cards(gallery, threshold=0.42):
        assert decoded(card.frame).shape == (card.height, card.width, 3)
        assert max(decoded(card.overlay).shape) == 256
        assert len(card.frame) + len(card.overlay) < 120_000


def test_heat_turns_the_frame_orange_where_it_is_hot() -> None:
    frame, heat = np.full((64, 64), 90, np.uint8), np.zeros((16, 16), np.uint8)
    heat[12:, 12:] = 255
    item = GalleryItem(path="p", label="good", kind="overkill", score=1, frame=frame, heatmap=heat)
    drawn = overlay(item, window_of(item), side_px=64)
    assert drawn[5, 5].tolist() == [90, 90, 90]
    red, green, blue = drawn[60, 60].tolist()
    assert red > 190
    assert green > blue


def test_the_mask_is_outlined_not_filled() -> None:
    mask = np.zeros((256, 256), np.bool_)
    mask[60:200, 60:200] = True
    item = GalleryItem(
        path="p", label="pit", kind="escape", score=0, frame=np.full((256, 256, 3), 90, np.uint8),
        heatmap=np.zeros((8, 8), np.uint8), mask=mask,
    )  # fmt: skip
    drawn = overlay(item, window_of(item))
    assert drawn[60, 130].tolist() != [90, 90, 90]
    assert drawn[130, 130].tolist() == [90, 90, 90]


@pytest.mark.parametrize("corner", [(0, 0), (2039, 0), (1000, 3059)])
def test_a_large_frame_gets_a_close_up_of_its_defect(corner: tuple[int, int]) -> None:
    row, column = corner
    mask = np.zeros((2048, 3072), np.bool_)
    mask[row : row + 9, column : column + 12] = True
    item = GalleryItem(
        path="p", label="pit", kind="escape", score=0.1, frame=np.zeros((2048, 3072), np.uint8),
        heatmap=np.zeros((64, 96), np.uint8), mask=mask,
    )  # fmt: skip
    rows, columns = window_of(item)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (256, 256)
    assert mask[rows, columns].sum() == mask.sum()
    (card,) = cards([item], threshold=0.5)
    assert card.close_up
    without = replace(item, mask=None, heatmap=np.eye(64, 96, dtype=np.uint8) * 255)
    assert window_of(without) == (slice(0, 256), slice(0, 256))


def test_no_more_than_there_is_room_for(gallery: list[GalleryItem]) -> None:
    many = [replace(gallery[index % 3], path=f"{index}") for index in range(120)]
    drawn = cards(many, threshold=0.42)
    assert [card.item.kind for card in drawn].count("escape") == MOST_PER_KIND
    assert [card.item.kind for card in drawn].count("overkill") == MOST_PER_KIND


def test_scores_are_written_so_that_they_differ_from_the_threshold(gallery: list[GalleryItem]) -> None:
    (card,) = cards([replace(gallery[0], score=0.4230999)], threshold=0.4231)
    assert card.score != card.threshold
    assert card.threshold.startswith("0.4231")


def test_a_two_tone_picture_is_kept_as_png() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[50:90, 20:180] = 255
    assert data_uri(picture).startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": np.zeros((4, 4), np.float32)}, "frame must be uint8"),
        ({"frame": np.zeros((4, 4, 2), np.uint8)}, "frame must be uint8"),
        ({"heatmap": np.zeros((0, 4), np.uint8)}, "heatmap must be uint8"),
        ({"mask": np.zeros((4, 4), np.bool_)}, "mask must have the frame's size"),
    ],
)
def test_pictures_that_cannot_be_drawn_are_refused(
    gallery: list[GalleryItem], change: dict[str, NDArray[np.generic]], message: str
) -> None:
    with pytest.raises(DataError, match=f"test/open/92000014_02.png: {message}"):
        replace(gallery[0], **change)
