"""`teacher.assistant`: a smaller network made from the teacher teaches the candidates; the teacher judges them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from beltline.compress.checkpoint import load_checkpoint
from beltline.inspection.base.errors import LineFileError
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.line.quick import quickened
from beltline.pipeline.run import open_job
from beltline.pipeline.stages.build import make_assistant, make_module
from beltline.pipeline.stages.build_teacher import make_teacher
from beltline.pipeline.stages.job import Made, RunJob
from beltline.pipeline.stages.rows import RowPlan, planned_rows
from beltline.pipeline.stages.stages import journal

FIT = "{epochs: 8, samples_per_epoch: 16, batch: 8, augmentation: {crop: 64}}"
LINE = f"""
name: small
line: {{belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 105, fixed_ms: {{plc: 5}}}}
data: {{root: data}}
teacher:
  network: {{family: plain, width: 16, depth: 1}}
  fit: {FIT}
  device: cpu
  assistant: [{{prune: {{ratio: 0.3, round_to: 2, fit: {FIT}}}}}]
recipes:
  - name: tiny
    steps: [{{distill: {{network: {{family: plain, width: 4, depth: 1}}, fit: {FIT}}}}}]
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunJob]:
    home = tmp_path_factory.mktemp("home")
    write_synthetic_line(home / "data", seed=4, parts=60, exposures=2)
    (home / "line.yaml").write_text(LINE)
    line_file = quickened(load_line_file(home / "line.yaml"))
    with open_job(line_file, runs=home / "runs", console=Console()) as opened:
        yield opened


@pytest.fixture(scope="module")
def teacher(job: RunJob) -> Made:
    return make_teacher(job)


def row(job: RunJob, name: str) -> RowPlan:
    return next(each for each in planned_rows(job.line_file, baselines=True) if each.name == name)


def test_a_candidate_is_taught_by_the_assistant_and_says_so(job: RunJob, teacher: Made) -> None:
    student = make_module(job, row(job, "tiny"), teacher)
    *older, line = load_checkpoint(student.path).lineage
    assert older == list(load_checkpoint(teacher.path).lineage)
    assistant = load_checkpoint(make_assistant(job, teacher).path)
    assert line.endswith(f"taught by the teacher's assistant ({assistant.lineage[-1]})")
    assert assistant.lineage[-1].startswith("prune")


def test_the_assistant_is_made_once(job: RunJob, teacher: Made) -> None:
    make_assistant(job, teacher)
    make_assistant(job, teacher)
    assert [each["stage"] for each in journal(job.folder) if each["event"] == "finished"].count("prune") == 1


def test_what_one_would_otherwise_choose_is_fine_tuned_by_the_teacher_itself(job: RunJob, teacher: Made) -> None:
    pruned = make_module(job, row(job, "teacher-pruned-int8"), teacher)
    lineage = load_checkpoint(pruned.path).lineage
    assert not any("assistant" in line for line in lineage)


def test_a_quick_run_has_a_quick_assistant(job: RunJob) -> None:
    assert [step.settings.fit.epochs for step in job.line_file.teacher.assistant] == [1]


@pytest.mark.parametrize(
    ("assistant", "wanted"),
    [
        (
            "[quantize]",
            "line.yaml:9: teacher.assistant: wanted steps on a torch network, such as distill or prune, got quantize",
        ),
        ("[{prune: {engine_ms: 1}}]", "line.yaml:9: teacher.assistant: engine_ms is for what runs on the device"),
        ("[{prune: {ratio: 3}}]", "teacher.assistant[0].prune.ratio: wanted a number < 1, got 3"),
    ],
)
def test_steps_that_make_no_teacher_are_refused(tmp_path: Path, assistant: str, wanted: str) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(LINE.replace(LINE[LINE.index("[{prune") : LINE.index("recipes:")], assistant + "\n"))
    with pytest.raises(LineFileError) as caught:
        load_line_file(path)
    assert wanted in str(caught.value)


def test_a_finished_graph_has_no_assistant(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(LINE.replace("  network: {family: plain, width: 16, depth: 1}\n", "  onnx: teacher.onnx\n"))
    with pytest.raises(LineFileError, match="onnx excludes an assistant"):
        load_line_file(path)
