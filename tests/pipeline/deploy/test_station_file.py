"""station.yaml: defaults, places of mistakes, paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import LineFileError, StationError
from beltline.pipeline.cli.serving import facts_of
from beltline.pipeline.deploy.station_file import load_station_file, settings_for
from beltline.station.counters import Counters
from beltline.station.settings import StationSettings, named_choices
from beltline.station.unit_file import systemd_unit, writable_by

TEXT = """
bundle: line.beltline
sources:
  - folder: {path: in, then: remove}
  - folder: {path: /data/other}
  - aravis
results:
  - json_lines: {path: out/results.jsonl}
queue: {frames: 16, order: newest}
ring: {folder: rejects}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "station.yaml").write_text(text)
    return folder / "station.yaml"


def test_relative_paths_start_from_the_file(tmp_path: Path) -> None:
    settings = load_station_file(written(tmp_path, TEXT))
    assert settings.bundle == tmp_path / "line.beltline"
    assert [name for name, _ in named_choices(settings.sources)] == ["folder", "folder-2", "aravis"]
    assert [settings.sources[at].settings.path for at in (0, 1)] == [tmp_path / "in", Path("/data/other")]
    assert writable_by(settings) == (tmp_path / "rejects", tmp_path / "out", tmp_path / "in")
    assert settings == StationSettings.model_validate(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("queue: {frames: 0}", r"station.yaml:1: queue.frames: wanted a number >= 1, got 0"),
        ("late: drop", r"station.yaml:1: late: wanted 'pass' or 'reject', got \"drop\""),
        ("\nsources: [{folder: {pth: a}}]", r"sources\[0\].folder.pth: unknown key; did you mean 'path'"),
        ("sources: [{camera: {}}]", r"sources\[0\]: wanted one of aravis, folder, .* got \"camera\""),
        ("soruces: []", r"unknown key; did you mean 'sources'\?"),
    ],
)
def test_mistakes_are_answered_with_their_place(text: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(LineFileError, match=wanted):
        load_station_file(written(tmp_path, text))


def test_a_file_that_is_not_there_is_called_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(LineFileError, match="wanted a station file, got no such file"):
        load_station_file(tmp_path / "none.yaml")


def test_a_bundle_may_be_named_instead(tmp_path: Path) -> None:
    assert settings_for(tmp_path / "a.beltline").bundle == tmp_path / "a.beltline"
    assert settings_for(None).bundle is None


def test_counts_are_told_before_the_first_frame() -> None:
    facts = facts_of(Counters().snapshot())
    assert (facts["offered"], facts["latency_ms"]["p50"]) == (0, None)


@pytest.mark.parametrize("path", ["/data/in\nExecStartPre=/bin/sh -c reboot", "/data/\r", "/data/\x1b[2J", "/a\u2028b"])
def test_a_path_cannot_begin_a_setting_of_its_own_in_a_unit(path: str) -> None:
    settings = StationSettings.model_validate({"sources": [{"folder": {"path": path, "then": "remove"}}]})
    with pytest.raises(StationError, match="wanted a path without line breaks"):
        systemd_unit(["beltline", "serve"], writable=writable_by(settings))
    with pytest.raises(StationError, match="wanted a path without line breaks"):
        systemd_unit(["beltline", "serve", f"{path}.yaml"])
