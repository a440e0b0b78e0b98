"""Which rows a run makes: the teacher, the user's recipes, and on demand what one would otherwise choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ...compress.recipe import Step, methods
from ...export.artifacts import backends, runs_checkpoint
from ...inspection.base.errors import LineFileError, MissingPartError
from ..line.line_file import LineFile

Role = Literal["teacher", "candidate", "baseline"]
TEACHER = "teacher"

_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """One row of the report, before anything is made.

    Attributes:
        name: Unique in the run.
        role: What it is there for.
        backend: The runtime it ends in.
        steps: Module steps first, then graph steps; empty: the teacher as it is.
        threads: Of the engine; None: as many as the device is given.
    """

    name: str
    role: Role
    backend: str
    steps: tuple[Step, ...] = ()
    threads: int | None = None


def planned_rows(line_file: LineFile, *, baselines: bool) -> tuple[RowPlan, ...]:
    """List the rows, the teacher first.

    Raises:
        LineFileError: A recipe takes a name that is in use, changes a network that is given as a finished graph, or
            changes a graph that its backend never sees.
    """
    finished = line_file.teacher.onnx is not None
    teacher = RowPlan(name=TEACHER, role="teacher", backend="onnx_runtime" if finished else "torch_eager")
    recipes = [
        RowPlan(name=each.name, role="candidate", backend=each.backend, steps=each.steps, threads=each.threads)
        for each in line_file.recipes
    ]
    rows = (teacher, *recipes, *(_baselines(line_file, teacher) if baselines else ()))
    _check(rows, finished=finished)
    return rows


def without_missing(rows: tuple[RowPlan, ...], *, notify: Callable[[str], None]) -> tuple[RowPlan, ...]:
    """Leave out the baselines that need a part which is not installed; says which, and how to get them."""
    kept = []
    for row in rows:
        missing = _missing(row, runs=True) if row.role == "baseline" else None
        if missing is None:
            kept.append(row)
        else:
            notify(f"{row.name} is left out: {missing}")
    return tuple(kept)


def _baselines(line_file: LineFile, teacher: RowPlan) -> list[RowPlan]:
    """List what one would choose without Beltline's recipes, from the same teacher; a finished graph takes fewer."""
    fit = line_file.teacher.fit
    fine_tuning = fit.model_copy(
        update={"epochs": max(1, fit.epochs // 2), "learning_rate": fit.learning_rate / 2}  # as much again, gentler
    )
    halved = {"prune": {"macs": _HALF, "fit": fine_tuning.model_dump(mode="json")}}
    chosen: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
        ("teacher-torch_compiled", "torch_compiled", ()),
        ("teacher-onnx_runtime", "onnx_runtime", ()),
        ("teacher-open_vino", "open_vino", ()),
        ("teacher-open_vino-int8", "open_vino", ("quantize",)),
        ("teacher-onnx_runtime-int8", "onnx_runtime", ("quantize",)),
        ("teacher-pruned-int8", "open_vino", (halved, "quantize")),
    )
    rows = [
        RowPlan(name=name, role="baseline", backend=backend, steps=tuple(Step.model_validate(step) for step in steps))
        for name, backend, steps in chosen
    ]
    finished = line_file.teacher.onnx is not None
    return [
        row
        for row in rows
        if (row.backend, row.steps) != (teacher.backend, teacher.steps)
        and not (finished and (runs_checkpoint(row.backend) or any(step.works_on == "module" for step in row.steps)))
    ]


def _check(rows: tuple[RowPlan, ...], *, finished: bool) -> None:
    names = [row.name for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        msg = f"recipes: the name {twice!r} is taken by a row of Beltline's own; rename the recipe"
        raise LineFileError(msg)
    for row in rows:
        _check_row(row, finished=finished)


def _check_row(row: RowPlan, *, finished: bool) -> None:
    changed = [step.method for step in row.steps if step.works_on == "module"]
    graph_steps = [step.method for step in row.steps if step.works_on == "graph"]
    if graph_steps and runs_checkpoint(row.backend):
        msg = (
            f"recipe {row.name}: {graph_steps[0]} works on the ONNX graph, but {row.backend} runs the checkpoint "
            "before it; drop the step, or write backend: open_vino or onnx_runtime"
        )
        raise LineFileError(msg)
    if runs_checkpoint(row.backend) and any(step.settings.wanted_ms is not None for step in row.steps):
        msg = (
            f"recipe {row.name}: engine_ms wants a runtime of exported graphs, {row.backend} runs the checkpoint; "
            "write backend: open_vino or onnx_runtime, or prune by ratio or macs"
        )
        raise LineFileError(msg)
    if finished and changed:
        msg = (
            f"recipe {row.name}: {changed[0]} works on a torch network, but the teacher is a finished ONNX file; "
            "only graph steps (quantize) apply to it: drop the step, or give the teacher's weights instead"
        )
        raise LineFileError(msg)


def require_parts(rows: tuple[RowPlan, ...], *, runs: bool) -> None:
    """Look for every package that the rows will need, before hours of training.

    Args:
        rows: What is planned.
        runs: Whether the rows will be built for their backends.

    Raises:
        MissingPartError: One is not installed; the message holds the command that installs it.
    """
    for row in rows:
        if (missing := _missing(row, runs=runs)) is not None:
            raise MissingPartError(missing)


def _missing(row: RowPlan, *, runs: bool) -> str | None:
    known = methods()
    for method in dict.fromkeys(step.method for step in row.steps):
        if (missing := known[method].missing()) is not None:
            return f"step {method}: {missing}"
    missing = backends()[row.backend].missing() if runs else None
    return missing and f"backend {row.backend}: {missing}"
