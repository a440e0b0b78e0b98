"""The ablation on a small drawn line with real trainings: what it trains, that it goes on, what its table says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import typer
from beltline.compress.checkpoint import Checkpoint, save_checkpoint
from beltline.compress.families import build_network
from beltline.compress.inspector import Inspector
from beltline.inspection.errors import LineFileError
from beltline.inspection.frame import FrameSpec
from beltline.inspection.synthetic import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line_file import LineFile, load_line_file
from beltline.pipeline.stages import journal
from beltline.pipeline.studies.distillation import Cell, ablation, main, student_step, variants
from beltline.pipeline.studies.distillation_table import ablation_table
from beltline.pipeline.studies.seeds import over_seeds

LINE = """
name: small
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 105, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {weights: teacher.safetensors, device: cpu}
recipes:
  - name: tiny
    steps:
      - distill:
          network: {family: plain, width: 4, depth: 1}
          fit: {epochs: 9, batch: 8, views: {crop: 32}}
          teacher: {score: 2, heatmap: 0, ramps: {score: {start: 1, end: 0.5}}}
gates: {overkill: {max: 0.4}}
"""


def frame_spec() -> FrameSpec:
    return FrameSpec(height=128, width=128, channels=1, mean=(0.5,), std=(0.2,), frame_height=128, frame_width=128)


@pytest.fixture(scope="module")
def line_file(tmp_path_factory: pytest.TempPathFactory) -> LineFile:
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=30, exposures=1)
    torch.manual_seed(0)
    network, frame = {"family": "plain", "width": 8, "depth": 1}, frame_spec()
    inspector = Inspector(build_network(network, 1), frame)
    made = Checkpoint(network=network, frame=frame, lineage=("made for a test",), inspector=inspector)
    save_checkpoint(folder / "teacher.safetensors", made)
    (folder / "line.yaml").write_text(LINE)
    return load_line_file(folder / "line.yaml")


def test_terms_are_added_one_after_the_other(line_file: LineFile) -> None:
    found = {name: step.teacher for name, step in variants(student_step(line_file)).items()}
    said = {name: (each.score, each.heatmap, each.features is not None) for name, each in found.items()}
    assert said == {
        "student alone": (0, 0, False),
        "+ logits": (2, 0, False),
        "+ heatmap": (2, 1, False),
        "+ features": (2, 1, True),
    }
    assert found["student alone"].silent
    assert all(each.ramps.score is not None for each in found.values())


def test_it_is_shortened_where_asked(line_file: LineFile) -> None:
    step = student_step(line_file, epochs=2)
    assert (step.fit.epochs, step.fit.samples_per_epoch, step.fit.batch) == (2, None, 8)
    assert student_step(line_file, samples=16).fit.samples_per_epoch == 16


def test_a_line_without_a_student_is_refused(line_file: LineFile) -> None:
    with pytest.raises(LineFileError, match="wanted a recipe with a distill step, got none"):
        student_step(line_file.model_copy(update={"recipes": ()}))


def test_it_goes_on_where_it_was_stopped(line_file: LineFile, tmp_path: Path) -> None:
    step = student_step(line_file, epochs=1, samples=8)

    def trained() -> int:
        done = journal(tmp_path / "small-distillation")
        return sum(entry["stage"] == "distill" for entry in done if entry["event"] == "finished")

    going = ablation(line_file, step, seeds=2, runs=tmp_path, console=Console())
    for _ in range(4):
        next(going)
    going.close()
    assert trained() == 3
    cells = list(ablation(line_file, step, seeds=2, runs=tmp_path, console=Console()))
    assert [(cell.variant, cell.seed) for cell in cells] == [
        ("teacher", 0),
        *((name, seed) for seed in (0, 1) for name in variants(step)),
    ]
    assert trained() == 8
    assert cells == list(ablation(line_file, step, seeds=2, runs=tmp_path, console=Console()))
    assert trained() == 8, "nothing is done twice"
    made = (tmp_path / "small-distillation" / "stages").glob("*/model.safetensors")
    assert len({path.read_bytes() for path in made}) == 8, "the networks differ"


def _cell(variant: str, seed: int, escape: float) -> Cell:
    return Cell(
        variant=variant, seed=seed, val_auroc=0.9, test_auroc=0.8, escape=0.5, overkill=0.1, level_escape=escape
    )


def test_the_table_compares_seed_by_seed() -> None:
    cells = [_cell("teacher", 0, 0.1)]
    cells += [_cell("student alone", seed, 0.3 + 0.1 * seed) for seed in range(3)]
    cells += [_cell("+ logits", seed, 0.2 + 0.1 * seed) for seed in range(3)]
    head, _, teacher, alone, logits = ablation_table(cells, max_overkill=0.05).splitlines()
    assert "test escapes at 5% overkill" in head
    assert teacher.split("|")[2].strip() == "-"
    assert alone.split("|")[7].strip() == "40.0% (15.2% to 64.8%)"
    assert [part.strip() for part in alone.split("|")[8:10]] == ["-", "-"]
    assert [part.strip() for part in logits.split("|")[8:10]] == ["-10.0 (-10.0 to -10.0)"] * 2


def test_one_seed_has_no_interval() -> None:
    assert (over_seeds([0.5]).lower, over_seeds([0.5]).text(".1f")) == (None, "0.5")


def test_the_command_prints_its_table_and_keeps_it(
    line_file: LineFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = line_file.data.root.parent / "line.yaml"
    main(path, runs=tmp_path, seeds=1, epochs=1, samples=8)
    table = (tmp_path / "small-distillation" / "table.md").read_text()
    assert capsys.readouterr().out == table
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "teacher",
        *variants(student_step(line_file)),
    ]


def test_the_command_answers_a_line_without_a_student(
    line_file: LineFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = line_file.data.root.parent / "bare.yaml"
    path.write_text(LINE[: LINE.index("recipes:")])
    with pytest.raises(typer.Exit) as ended:
        main(path, runs=tmp_path)
    assert ended.value.exit_code == 2
    assert "wanted a recipe with a distill step, got none; add one" in capsys.readouterr().err
