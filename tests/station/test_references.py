"""Adding, listing and removing references: files in a folder, a journal, and what the model thinks of photographs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
from beltline.export.bundles.manifest import ModelFacts
from beltline.export.contracts import Decision, Frame, Session
from beltline.inspection.base.errors import BeltlineError, DataError
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.references.pairs import compared
from beltline.pipeline.cli.app import app
from beltline.station.frames import PixelRule
from beltline.station.reference_check import ComparingModel
from beltline.station.references import add_reference, journal_problem, kept_references, remove_reference
from beltline.station.settings import StationSettings
from drawn_boards import SIZE, board, part, photograph
from pydantic import ValidationError
from typer.testing import CliRunner


def test_several_photographs_become_their_median_and_a_stranger_is_left_out(tmp_path: Path) -> None:
    paths = []
    for number, image in enumerate([board(1, *SIZE), part("alpha"), board(1, *SIZE), board(2, *SIZE)]):
        spoiled = image.copy()
        spoiled[10 + 20 * number : 18 + 20 * number, 20:30] = 255
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(cv2.imencode(".png", spoiled)[1].tobytes())
    _, warnings = add_reference(tmp_path / "kept", "alpha", paths)
    assert [warning.split()[0] for warning in warnings] == [str(paths[3])]
    made = cv2.imread(str(tmp_path / "kept/alpha.png"), cv2.IMREAD_GRAYSCALE)
    wrong = np.abs(made.astype(int) - board(1, *SIZE)[:, :, 0]).max(axis=1)
    assert wrong[8:20].max() < 60


def spoiled(folder: Path, name: str) -> Path:
    """Give a photograph of alpha with an open track."""
    image = part("alpha").copy()
    image[30:60, 40:80] = 60
    path = folder / f"{name}.png"
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return path


class SeesDifferences:
    """A model that calls a part as defective as it differs from its reference."""

    def infer(self, pair: Frame) -> Decision:
        both = compared(pair)
        there = both.reference[..., -1] > 0
        differs = np.abs(both.frame[..., 0].astype(int) - both.reference[..., 0])[there] > 100
        score = float(differs.sum() > 200) if both.aligned else 1.0
        return Decision(
            score=score, heatmap=np.zeros((2, 2), np.uint8), engine_start_ns=0, engine_end_ns=0, aligned=both.aligned
        )


def looking(ring: Path | None = None, **size: int) -> ComparingModel:
    spec = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,), reference=True, **size)
    model = cast("ModelFacts", SimpleNamespace(frame=spec, threshold=0.5))
    return ComparingModel(cast("Session", SeesDifferences()), model, PixelRule(channels=1), ring)


def test_a_photograph_with_what_looks_like_a_defect_is_named(tmp_path: Path) -> None:
    paths = [spoiled(tmp_path, "broken"), *(photograph(tmp_path, "alpha") for _ in range(2))]
    _, warnings = add_reference(tmp_path / "kept", "alpha", paths, model=looking())
    assert [warning.split()[:5] for warning in warnings] == [[str(paths[0]), "shows", "what", "looks", "like"]]
    _, alone = add_reference(tmp_path / "kept", "alpha", paths[:1], model=looking())
    assert ["only photograph" in alone[0], "looks like a defect" in alone[1]] == [True, True]
    journal = [json.loads(line) for line in (tmp_path / "kept/journal.jsonl").read_text().splitlines()]
    assert [each["warnings"] for each in journal] == [warnings, alone]


def test_an_overexposed_photograph_is_warned_about(tmp_path: Path) -> None:
    bright = np.clip(board(1, *SIZE).astype(int) + 196, 0, 255).astype(np.uint8)
    (path := tmp_path / "bright.png").write_bytes(cv2.imencode(".png", bright)[1].tobytes())
    _, warnings = add_reference(tmp_path / "kept", "alpha", [path])
    assert f"{path} shows an even surface" in warnings[1]
    _, warnings = add_reference(tmp_path / "kept", "alpha", [photograph(tmp_path, "alpha")])
    assert len(warnings) == 1


def test_a_photograph_that_is_not_like_the_parts_that_came_is_warned_about(tmp_path: Path) -> None:
    for number, shown in enumerate(["alpha", "alpha", "beta"]):
        entry = tmp_path / f"ring/{number:09d}"
        entry.mkdir(parents=True)
        (entry / "frame.png").write_bytes(cv2.imencode(".png", part(shown))[1].tobytes())
        (entry / "outcome.json").write_text(json.dumps({"product": "alpha"}))
    model = looking(tmp_path / "ring")
    two = [photograph(tmp_path, "alpha")] * 2
    _, warnings = add_reference(tmp_path / "kept", "alpha", two, model=model)
    assert warnings == ["it does not lie on 1 of the 3 parts of alpha that the station kept"]


def test_photographs_of_another_size_than_the_lines_frames_are_refused(tmp_path: Path) -> None:
    model = looking(frame_height=480, frame_width=640)
    with pytest.raises(DataError, match="wanted photographs of 640 x 480 pixels"):
        add_reference(tmp_path, "alpha", [photograph(tmp_path, "alpha")], model=model)


def test_a_changed_journal_is_noticed(tmp_path: Path) -> None:
    for _ in range(3):
        add_reference(tmp_path, "alpha", [photograph(tmp_path.parent, "alpha")])
    assert journal_problem(tmp_path) == ""
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    changed = lines[1].replace('"did": "add"', '"did": "remove"')
    (tmp_path / "journal.jsonl").write_text("\n".join([lines[0], changed, lines[2]]))
    assert "line 3 does not follow" in journal_problem(tmp_path)
    (tmp_path / "journal.jsonl").write_text("\n".join(lines[1:]))
    assert "line 1 does not follow" in journal_problem(tmp_path)


def test_one_inspector_of_several_is_named(tmp_path: Path) -> None:
    station = tmp_path / "station.yaml"
    both = [f"{{name: {name}, http: null, references: {{folder: {name[0]}}}}}" for name in ("left", "right")]
    station.write_text(f"inspectors: [{', '.join(both)}]\n")
    run, photo = CliRunner(), str(photograph(tmp_path, "alpha"))
    assert run.invoke(app, ["reference", "add", str(station), "a", photo, "--inspector", "right"]).exit_code == 0
    assert (tmp_path / "r/a.png").is_file()
    assert "wanted one of its inspectors (left, right)" in run.invoke(app, ["reference", "list", str(station)]).output


def test_a_product_named_twice_is_one_and_other_capitals_are_another_one_and_said(tmp_path: Path) -> None:
    photo = photograph(tmp_path.parent, "alpha")
    for product in ("alpha", "alpha", "Alpha"):
        _, warnings = add_reference(tmp_path, product, [photo, photo])
    assert [each.product for each in kept_references(tmp_path)] == ["Alpha", "alpha"]
    assert warnings == ["alpha has a reference, too: the two are different products, and names are taken exactly"]
    (tmp_path / "station.yaml").write_text(
        "references:\n  folder: .\n  sources:\n    folder-1: alpha\n    folder-1: Alpha\n"
    )
    run = CliRunner().invoke(app, ["reference", "list", str(tmp_path / "station.yaml")])
    assert "line 5" in run.output or ":5:" in run.output
    assert "key 'folder-1' stands twice" in run.output


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65])
def test_names_that_would_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="product: wanted"):
        add_reference(tmp_path, name, [photograph(tmp_path, "alpha")])
    with pytest.raises(DataError, match="product: wanted"):
        remove_reference(tmp_path, name)


def test_a_pattern_needs_one_group(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="one group in round brackets"):
        StationSettings.model_validate({"references": {"folder": tmp_path, "product": "abc"}})


def test_the_command_line_adds_lists_and_removes(tmp_path: Path) -> None:
    (tmp_path / "station.yaml").write_text("references: {folder: golden}\n")
    station, run = str(tmp_path / "station.yaml"), CliRunner()
    done = run.invoke(app, ["reference", "add", station, "alpha", str(photograph(tmp_path, "alpha"))])
    assert (done.exit_code, "128 x 96" in done.output) == (0, True)
    listed = run.invoke(app, ["reference", "list", station, "--json"])
    assert [each["product"] for each in json.loads(listed.stdout)["products"]] == ["alpha"]
    assert run.invoke(app, ["reference", "remove", station, "alpha"]).exit_code == 0
    again = run.invoke(app, ["reference", "remove", station, "alpha"])
    assert again.exit_code == 2 or isinstance(again.exception, BeltlineError)
