"""Scoring: order, bounded read-ahead, and scores that are none."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import pytest
from beltline.export import scoring
from beltline.export.contracts import Decision, Frame
from beltline.inspection.base.errors import DataError, GraphError
from beltline.inspection.data import streaming
from beltline.inspection.data.dataset import Dataset, Sample
from typing_extensions import Self


class MeanSession:
    """A session whose score is the frame's mean grey value."""

    def __init__(self, *, scale: float = 1 / 255) -> None:
        self.scale = scale

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def infer(self, frame: Frame) -> Decision:
        return Decision(
            score=float(frame.mean() * self.scale), heatmap=frame[:2, :3, 0], engine_start_ns=0, engine_end_ns=1
        )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    samples = []
    for index in range(11):
        name = f"{index:02d}.png"
        cv2.imwrite(str(tmp_path / name), np.full((6, 8), index * 20, dtype=np.uint8))
        samples.append(
            Sample(
                path=name,
                label="good",
                defective=False,
                mask=None,
                group=name,
                split="test",
                digest=f"sha256:{index}",
                height=6,
                width=8,
            )
        )
    return Dataset(name="grey", root=tmp_path, channels=1, bit_depth=8, samples=tuple(samples))


def test_scores_come_in_order_with_the_heatmaps_asked_for(dataset: Dataset) -> None:
    done: list[int] = []
    result = scoring.score_samples(MeanSession(), dataset, dataset.samples, keep_heatmaps={2, 10}, progress=done.append)
    np.testing.assert_allclose(result.scores, np.arange(11) * 20 / 255)
    assert result.scores.dtype == np.float64
    assert sorted(result.heatmaps) == [2, 10]
    assert (result.heatmaps[2] == 40).all()
    assert done == list(range(1, 12))


def test_no_samples_give_no_scores(dataset: Dataset) -> None:
    assert scoring.score_samples(MeanSession(), dataset, ()).scores.shape == (0,)


def test_only_a_few_frames_are_read_ahead(dataset: Dataset) -> None:
    frames = streaming.frames_of(dataset, dataset.samples * 50)
    next(frames)
    (reader,) = [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
    frames.close()  # type: ignore[attr-defined]
    assert not reader.is_alive()


def test_reading_stops_where_the_consumer_stops(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    inner = streaming.read_frame

    def counting(path: Path, *, channels: int, bit_depth: int, window: tuple[int, int] | None) -> Frame:
        read.append(path.name)
        return inner(path, channels=channels, bit_depth=bit_depth, window=window)

    monkeypatch.setattr(streaming, "read_frame", counting)
    frames = streaming.frames_of(dataset, dataset.samples)
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert len(read) <= 5


def test_an_unreadable_image_is_named(dataset: Dataset) -> None:
    (dataset.root / "07.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"07\.png"):
        scoring.score_samples(MeanSession(), dataset, dataset.samples)


@pytest.mark.parametrize("scale", [1.0, -1.0, float("nan")])
def test_a_score_that_is_none_stops_the_run(dataset: Dataset, scale: float) -> None:
    with pytest.raises(GraphError, match=r"01\.png: wanted a score in \[0, 1\]"):
        scoring.score_samples(MeanSession(scale=scale), dataset, dataset.samples[1:])
