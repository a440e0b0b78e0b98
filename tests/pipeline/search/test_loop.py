"""The loop with a ledger on disk and an engine that answers from a table: what goes on, what stops, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from beltline.compress.training.fit_settings import FitSettings
from beltline.compress.training.teacher_terms import DistillWeights
from beltline.export.contracts import Artifact
from beltline.inspection.base.errors import HostError
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.line.gates import Gates
from beltline.inspection.line.line import Line, budget_of
from beltline.pipeline.search.ledger import Ledger, open_ledger
from beltline.pipeline.search.loop import Loop, Track
from beltline.pipeline.search.settings import SearchSettings, SpaceSettings
from beltline.pipeline.search.space import Space, space_of
from beltline.pipeline.search.tasks import Answer, Task, failure
from beltline.pipeline.search.trials import Grade, Timing

pytest.importorskip("optuna")

SPACE = space_of(SpaceSettings(), backends=["open_vino"], threads=2)
TRACK = Track(
    fit=FitSettings(epochs=9),
    teacher=DistillWeights(),
    rungs=(1, 3, 9),
    input_size=(128, 128),
    budget=budget_of(Line(belt_speed_mm_s=500, part_pitch_mm=10, camera_to_ejector_mm=60, fixed_ms={"plc": 20})),
    gates=Gates(),
)
ARTIFACT = Artifact(
    path=Path("stages/0/model.xml"),
    digest="sha256:0",
    backend="open_vino",
    precision="int8",
    size_bytes=1,
    frame=FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.5,)),
    built_for="local",
)
Answering = Callable[[Task], Answer | None]


class Table:
    """An engine of one worker that answers from a function; what it is given is noted."""

    def __init__(self, answering: Answering) -> None:
        self._answering, self._task, self.given = answering, None, list[Task]()
        self._task: Task | None = None

    @property
    def room(self) -> int:
        return 0 if self._task else 1

    def takes(self, task: Task) -> bool:
        assert task.plan.steps
        return self._task is None

    def submit(self, task: Task) -> None:
        self._task = task
        self.given.append(task)

    def wait(self, seconds: float) -> Sequence[Answer]:
        assert seconds > 0
        task, self._task = self._task, None
        assert task is not None, "the loop waits only for what it handed out"
        return [self._answering(task) or usual(task)]


def width_of(task: Task) -> int:
    return int(task.plan.steps[0].settings.network["width"])


def usual(task: Task) -> Answer:
    """Wider is slower and lets fewer defects pass; longer training helps."""
    width = width_of(task)
    if task.kind == "draw":
        return Answer(trial=task.trial, kind="draw", artifact=ARTIFACT)
    if task.kind == "time":
        times = Timing(engine_p99_ms=width / 10, p50_ms=0.1, p99_ms=0.2, paced=task.paced, trained=task.paced)
        return Answer(trial=task.trial, kind="time", timing=times)
    epochs = task.plan.steps[0].settings.fit.epochs
    grade = Grade(
        epochs=epochs, escapes=max(0, 50 - width - epochs), defects=100, increase=0.0, auroc=0.9, size_bytes=1
    )
    return Answer(trial=task.trial, kind="grade", artifact=ARTIFACT, grade=grade)


def searched(folder: Path, engine: Table, *, trials: int, minutes: float = 60, space: Space = SPACE) -> list[str]:
    notified: list[str] = []
    settings = SearchSettings(trials=trials, minutes=minutes)
    with open_ledger(folder, space, seed=0) as ledger:
        Loop(ledger, engine, TRACK, settings, watch=lambda *_: None, notify=notified.append).run()
    return notified


def endings(folder: Path) -> dict[int, str]:
    with open_ledger(folder, SPACE, seed=0) as ledger:
        return {trial.number: trial.ending for trial in ledger.trials}


def begun(folder: Path) -> int:
    with open_ledger(folder, SPACE, seed=0) as ledger:
        return ledger.begun


def test_latency_comes_first_and_only_the_promising_are_trained_whole(tmp_path: Path) -> None:
    engine = Table(lambda _: None)
    searched(tmp_path, engine, trials=12)
    found = endings(tmp_path)
    assert len(found) == 12
    assert set(found.values()) == {"whole", "stopped"}
    for number in {task.trial for task in engine.given}:
        tasks = [task for task in engine.given if task.trial == number]
        trains_on = tasks[0].kind == "grade" and tasks[0].plan.steps[0].settings.fit.epochs > 1
        first = [task.kind for task in tasks[:3]]
        assert trains_on or first == ["draw", "time", "grade"], "the untrained network is timed before it is trained"
    epochs = [task.plan.steps[0].settings.fit.epochs for task in engine.given if task.kind == "grade"]
    counts = [epochs.count(each) for each in (1, 3, 9)]
    assert counts[0] == 12 > counts[1] > 0
    assert counts[1] >= counts[2] == sum(task.paced for task in engine.given) > 0


def test_the_first_trials_are_the_warm_starts_and_none_is_tried_twice(tmp_path: Path) -> None:
    searched(tmp_path, Table(lambda _: None), trials=14)
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        described = [trial.words for trial in ledger.trials]
    assert described[0] == "plain width 16 depth 2 stride 4, int8, open_vino, 2 threads"
    assert len(set(described)) == 14


def better_later(task: Task) -> Answer | None:
    """The first is fast and blind, the second slow and sure, those after it are worse than it in both."""
    if task.kind == "time":
        ms = (1.0, 4.0)[task.trial] if task.trial < 2 else 5.0 + task.trial
        times = Timing(engine_p99_ms=ms, p50_ms=0.1, p99_ms=0.2, paced=task.paced, trained=task.paced)
        return Answer(trial=task.trial, kind="time", timing=times)
    if task.kind == "grade":
        epochs, escapes = task.plan.steps[0].settings.fit.epochs, (40, 30)[task.trial] if task.trial < 2 else 45
        grade = Grade(epochs=epochs, escapes=escapes, defects=100, increase=0.0, auroc=0.9, size_bytes=1)
        return Answer(trial=task.trial, kind="grade", artifact=ARTIFACT, grade=grade)
    return None


def test_what_was_stopped_too_early_goes_on_once_later_trials_are_worse(tmp_path: Path) -> None:
    engine = Table(better_later)
    searched(tmp_path, engine, trials=2)
    assert endings(tmp_path) == {0: "whole", 1: "stopped"}
    second = engine.given[-1].plan.steps
    searched(tmp_path, engine, trials=5)
    first_tasks = {task.trial: task for task in reversed(engine.given)}
    (again,) = [task for task in first_tasks.values() if task.kind == "grade"]
    assert again.plan.steps[0].settings.network == second[0].settings.network
    assert again.plan.steps[0].settings.fit.epochs == 3, "its first rung is not done again"
    found = endings(tmp_path)
    assert (1 in found, again.trial in found, len(found), begun(tmp_path)) == (False, True, 5, 5)
    before = len(engine.given)
    searched(tmp_path, engine, trials=5)
    assert len(engine.given) == before, "then nothing is left to do"


def test_what_is_too_slow_untrained_is_never_trained(tmp_path: Path) -> None:
    def slow(task: Task) -> Answer | None:
        late = Timing(engine_p99_ms=900, p50_ms=800, p99_ms=900, paced=False, trained=False)
        return Answer(trial=task.trial, kind="time", timing=late) if task.kind == "time" else None

    engine = Table(slow)
    searched(tmp_path, engine, trials=4)
    assert set(endings(tmp_path).values()) == {"too slow"}
    assert {task.kind for task in engine.given} == {"draw", "time"}


def test_a_loss_that_is_no_number_fails_its_trial_and_the_search_goes_on(tmp_path: Path) -> None:
    def diverging(task: Task) -> Answer | None:
        return (
            failure(task, "distill: the loss became nan in epoch 1")
            if (task.trial, task.kind) == (1, "grade")
            else None
        )

    notified = searched(tmp_path, Table(diverging), trials=4)
    assert endings(tmp_path)[1] == "failed"
    assert set(endings(tmp_path)) == {0, 1, 2, 3}
    assert notified == ["trial-01 failed: distill: the loss became nan in epoch 1; the search goes on"]


def test_a_device_that_is_gone_stops_the_search_and_the_next_call_takes_the_trial_up(tmp_path: Path) -> None:
    def vanishing(task: Task) -> Answer | None:
        gone = task.trial == 2 and task.kind == "time"
        return failure(task, "pi5: cannot be reached", fatal=HostError) if gone else None

    with pytest.raises(HostError, match="trial-02: pi5: cannot be reached; its 2 finished trials are kept: run again"):
        searched(tmp_path, Table(vanishing), trials=4)
    before = endings(tmp_path)
    assert before[2] == "under way"
    engine = Table(lambda _: None)
    searched(tmp_path, engine, trials=4)
    after = endings(tmp_path)
    assert (len(after), begun(tmp_path)) == (4, 4)
    assert "under way" not in after.values()
    assert {task.trial for task in engine.given if task.kind == "draw"} == {2, 3}, (
        "what was finished is not begun again"
    )


def test_a_killed_search_goes_on_with_the_same_points(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def killing(task: Task) -> Answer | None:
        if task.trial == 3 and task.kind == "grade":
            raise KilledError
        return None

    first = Table(killing)
    with pytest.raises(KilledError):
        searched(tmp_path, first, trials=6)
    steps = next(task.plan.steps for task in first.given if task.trial == 3)
    second = Table(lambda _: None)
    searched(tmp_path, second, trials=6)
    assert next(task.plan.steps for task in second.given if task.trial == 3) == steps
    assert min(task.trial for task in second.given) == 3
    assert begun(tmp_path) == 6


def test_more_trials_go_on_where_fewer_ended(tmp_path: Path) -> None:
    searched(tmp_path, Table(lambda _: None), trials=3)
    engine = Table(lambda _: None)
    searched(tmp_path, engine, trials=3)
    assert engine.given == []
    searched(tmp_path, engine, trials=5)
    assert len({task.trial for task in engine.given if task.kind == "draw"}) == 2
    assert begun(tmp_path) == 5


def test_after_the_time_nothing_new_is_begun(tmp_path: Path) -> None:
    engine = Table(lambda _: None)
    searched(tmp_path, engine, trials=4, minutes=1e-9)
    assert engine.given == []
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        ledger.spend(3599.99)
    searched(tmp_path, engine, trials=4, minutes=60)
    assert begun(tmp_path) < 4, "the time of earlier calls counts"


def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path) -> None:
    small = SpaceSettings.model_validate(
        {"networks": [{"width": [8, 16]}], "scale": [1.0], "prune": [0.0], "precision": ["int8"], "threads": [1]}
    )
    space = space_of(small, backends=["open_vino"], threads=1)
    engine = Table(lambda _: None)
    searched(tmp_path, engine, trials=40, space=space)
    assert sorted({width_of(task) for task in engine.given}) == [8, 16]
    with open_ledger(tmp_path, space, seed=0) as ledger:
        assert ledger.begun == 2


def test_the_gates_are_the_samplers_constraints(tmp_path: Path) -> None:
    searched(tmp_path, Table(lambda _: None), trials=2)
    with open_ledger(tmp_path, SPACE, seed=0) as ledger:
        attributes = constraints(ledger)
    assert attributes[0].keys() == {"deadline_miss", "escape"}
    assert attributes[0]["deadline_miss"] < 0 > attributes[0]["escape"]


def constraints(ledger: Ledger) -> list[dict[str, float]]:
    import optuna

    done = ledger._study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    return [{key.split(":")[-1]: value for key, value in each.system_attrs.items() if ":" in key} for each in done]


def test_trials_timed_at_the_belts_pace_are_compared_by_the_times_that_all_have(tmp_path: Path) -> None:
    def slow_when_paced(task: Task) -> Answer | None:
        times = Timing(engine_p99_ms=width_of(task), p50_ms=0.1, p99_ms=0.2, paced=True, trained=True)
        return Answer(trial=task.trial, kind="time", timing=times) if task.paced else None

    for folder, engine in (("even", Table(lambda _: None)), ("slow", Table(slow_when_paced))):
        searched(tmp_path / folder, engine, trials=8)
    for count in (3, 8):
        searched(tmp_path / "in two calls", Table(slow_when_paced), trials=count)
    assert endings(tmp_path / "even") == endings(tmp_path / "slow") == endings(tmp_path / "in two calls")
    with open_ledger(tmp_path / "slow", SPACE, seed=0) as ledger:
        begun = [each for each in ledger._study.get_trials() if each.state.name != "WAITING"]  # there are ten starts
        notified = {each.number: each.values[0] for each in begun}
        whole = [each for each in ledger.trials if each.ending == "whole"]
        trials = ledger.trials
    assert all(each.drawn and notified[each.number] == each.drawn.engine_p99_ms for each in trials)
    assert all(each.score and each.drawn and each.score.p99_ms == 10 * each.drawn.engine_p99_ms for each in whole)
