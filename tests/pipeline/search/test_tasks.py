"""Tasks in this very process, on a small drawn line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from beltline.compress.checkpoint import load_checkpoint, save_checkpoint
from beltline.inspection.base.errors import HostError
from beltline.pipeline.console import Console
from beltline.pipeline.search.tasks import Task, answered, failure
from beltline.pipeline.search.work import _middle
from beltline.pipeline.stages.job import Made
from beltline.pipeline.stages.rows import RowPlan
from searched import searched_place, task_of


def test_a_student_is_drawn_and_timed_before_it_is_trained(home: Path, tmp_path: Path) -> None:
    with searched_place(home, tmp_path) as place:
        job = place.job(Console())
        drawn = answered(task_of(place, "draw"), place, job)
        assert drawn.error is None
        assert drawn.artifact is not None
        assert drawn.artifact.backend == "onnx_runtime"
        timed = answered(replace(task_of(place, "time"), artifact=drawn.artifact), place, job)
        assert timed.timing is not None
        assert timed.timing.engine_p99_ms > 0
        assert timed.timing.p50_ms <= timed.timing.p99_ms
        assert (timed.timing.paced, timed.timing.trained) == (False, False)
        stages = [json.loads(each.read_text())["stage"] for each in place.folder.glob("stages/*/stage.json")]
        assert "distill" not in stages
        assert "time" in stages


def test_a_stall_of_the_machine_does_not_decide_between_trials() -> None:
    quiet = np.full(4000, 200_000, np.int64)
    stalled = quiet.copy()
    stalled[1000:1100] = 9_000_000
    assert _middle(stalled, 0.99, 10) == _middle(quiet, 0.99, 10) == 0.2
    assert _middle(stalled, 0.99, 1) == 9.0
    slower = quiet.copy()
    slower[::50] = 400_000
    assert _middle(slower, 0.99, 10) == 0.4, "what comes again and again counts"
    assert _middle(quiet[:3], 0.99, 10) == 0.2


def test_a_loss_that_is_no_number_is_the_trials_own_failure(home: Path, tmp_path: Path) -> None:
    with searched_place(home, tmp_path) as place:
        teacher = load_checkpoint(place.teacher.path)
        with torch.no_grad():
            for parameter in teacher.inspector.parameters():
                parameter.fill_(float("nan"))
        save_checkpoint(tmp_path / "broken.safetensors", teacher)
        broken = replace(place, teacher=Made(path=tmp_path / "broken.safetensors", key="sha256:broken"))
        answer = answered(task_of(place, "grade"), broken, broken.job(Console()))
        assert "the loss became nan" in (answer.error or "")
        assert answer.fatal is None
        assert answer.seconds > 0


def test_what_is_long_or_empty_is_told_in_short() -> None:
    task = Task(trial=0, kind="grade", plan=RowPlan(name="x", role="candidate", backend="open_vino"))
    long = failure(task, "no\n" * 1000, fatal=HostError)
    assert len(long.error or "") <= 600
    assert "\n" not in (long.error or "")
    assert long.fatal is HostError
    assert failure(task, " ").error == "no message"
