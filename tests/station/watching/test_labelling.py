"""What people say of rejected frames becomes a data set that the next training reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample
from beltline.station.settings import RingSettings
from beltline.station.watching.labelling import export_labelled, kept_frames, set_label
from beltline.station.watching.reject_ring import RejectRing
from station_parts import rejected


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    folder = tmp_path / "ring"
    made = RejectRing(RingSettings(folder=folder, keep_free_mb=0))
    for number in range(1, 9):
        made.take(rejected(number, unix_ns=1_790_000_000_000_000_000 + number))
    return folder


def test_nobody_has_looked_at_first(ring: Path, tmp_path: Path) -> None:
    assert [each.label for each in kept_frames(ring)] == [None] * 8
    assert export_labelled(ring, tmp_path / "set") == (0, 8)
    assert not (tmp_path / "set").exists()


def test_labelled_frames_become_a_data_set_that_loads(ring: Path, tmp_path: Path) -> None:
    for number, label in ((1, "good"), (2, "scratch"), (3, "good"), (4, "pit"), (5, "good"), (6, "scratch")):
        set_label(ring, number, label)
    assert export_labelled(ring, tmp_path / "set") == (6, 2)
    dataset = load_dataset(DataSettings(root=tmp_path / "set", near_duplicates=False))
    assert sorted(sample.label for sample in dataset.samples) == ["good"] * 3 + ["pit"] + ["scratch"] * 2
    first = min(dataset.samples, key=lambda sample: sample.path)
    wanted = rejected(1).image
    assert wanted is not None
    np.testing.assert_array_equal(read_sample(dataset, first), wanted)
    assert len(list((tmp_path / "set" / "heatmaps").iterdir())) == 6


def test_exporting_again_adds_and_renews(ring: Path, tmp_path: Path) -> None:
    set_label(ring, 1, "good")
    export_labelled(ring, tmp_path / "set")
    table = tmp_path / "set" / "labels.csv"
    by_hand = table.read_text("utf-8") + "more/own.png,good,train,,,,,,,,\n"
    table.write_text(by_hand, "utf-8")
    set_label(ring, 1, "scratch")
    set_label(ring, 2, "pit")
    export_labelled(ring, tmp_path / "set")
    rows = [line.split(",")[:3] for line in table.read_text("utf-8").splitlines()[1:]]
    assert [row[1] for row in rows] == ["scratch", "good", "pit"]
    assert rows[1] == ["more/own.png", "good", "train"]


def test_the_rest_gets_a_label_only_where_one_says_so(ring: Path, tmp_path: Path) -> None:
    set_label(ring, 1, "good")
    assert export_labelled(ring, tmp_path / "set", rest_as="to_check") == (8, 0)
    labels = [line.split(",")[1] for line in (tmp_path / "set" / "labels.csv").read_text().splitlines()[1:]]
    assert labels == ["good"] + ["to_check"] * 7


@pytest.mark.parametrize("label", ["", "../good", "a,b", "a\nb", "x" * 65, "=cmd()"])
def test_labels_are_plain_words(ring: Path, label: str) -> None:
    with pytest.raises(DataError, match="wanted a label"):
        set_label(ring, 1, label)


def test_frames_that_are_gone_and_folders_that_are_none_are_said(ring: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got 99"):
        set_label(ring, 99, "good")
    with pytest.raises(DataError, match="No such file"):
        kept_frames(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 5000, '{"unix_ns": -1, "score": 1, "threshold": 1}', '{"unix_ns": 1e3}']
)
def test_a_damaged_entry_is_passed_over(ring: Path, text: str) -> None:
    (ring / "000000003" / "outcome.json").write_text(text)
    (ring / "000000004" / "label").write_bytes(b"\xff\xfe")
    assert [each.number for each in kept_frames(ring)] == [1, 2, 5, 6, 7, 8]


def test_an_outcome_without_a_score_is_exported_too(ring: Path, tmp_path: Path) -> None:
    path = ring / "000000002" / "outcome.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "score": None, "standing": "late"}))
    set_label(ring, 2, "good")
    assert export_labelled(ring, tmp_path / "set") == (1, 7)
    assert ",late," in (tmp_path / "set" / "labels.csv").read_text()
