"""`search:` from end to end: what can be tried here, the study, its workers, and the recipes that come of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from ...compress.networks.base.families import missing_weights
from ...compress.recipe import RecipeSettings, methods
from ...compress.training.teacher_terms import DistillWeights
from ...export.artifacts import backends, runs_checkpoint
from ...inspection.base.errors import LineFileError, MissingPartError
from ...inspection.base.packages import missing_package
from ...inspection.base.storage import digest_of_json
from ...inspection.statistics.judging import decide
from ..line.line_file import LineFile
from ..stages.artifact import build_artifact
from ..stages.build import make_assistant
from ..stages.job import Made, RunJob
from ..stages.measure import Device
from ..stages.rows import TEACHER
from ..stages.score import as_decided, fitted_on_val, score_val
from ..stages.versions import machine_digest, step_versions
from .found import FOLDER, finalists, keep_found, search_facts
from .halving import rung_epochs
from .ledger import open_ledger
from .loop import Loop, Track
from .settings import NetworkChoices, SearchSettings
from .space import Space, space_of
from .tasks import Engine
from .trials import Trial
from .view import search_view
from .work import Place, place_of
from .workers import local_workers

_METHODS = ("distill", "prune", "quantize")
"""What the steps of trials are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search brought.

    Attributes:
        recipes: The rows to make, from fast to slow.
        trials: All that was tried.
    """

    recipes: tuple[RecipeSettings, ...]
    trials: tuple[Trial, ...]


def require_search(line_file: LineFile, *, notify: Callable[[str], None]) -> None:
    """Look for what a search needs before anything is trained; `notify` is called where a line asks for no candidates.

    Raises:
        LineFileError: The teacher is a finished graph.
        MissingPartError: A package is not installed; the message holds the command that installs it.
    """
    if line_file.search is None:
        if not line_file.recipes:
            notify("neither recipes nor search are written: only the teacher is judged; write search: {trials: 40}")
        return
    settings = _settings_of(line_file)
    absent = [missing_package("optuna", "search")]
    absent += [missing_package("ray", "ray")] if settings.engine == "ray" else []
    methods_used = ["distill", *(["prune"] if any(settings.space.prune) else [])]
    methods_used += ["quantize"] if "int8" in settings.space.precision else []
    absent += [methods()[name].missing() for name in methods_used]
    if missing := next((each for each in absent if each is not None), None):
        msg = f"search: {missing}"
        raise MissingPartError(msg)


def search(job: RunJob, teacher: Made) -> Found:
    """Search until trials or minutes are used up; what earlier calls found and made is taken.

    Args:
        job: The run, its devices met, its line file with `search`.
        teacher: Its checkpoint.

    Raises:
        LineFileError: The teacher is a finished graph, or none of the backends can be had.
        MissingPartError: optuna or Ray is not installed.
        HostError: A device is gone; what is finished is kept.
        RecipeError: No trial could be graded.
    """
    settings = _settings_of(job.line_file)
    track, space = _track(job, teacher, settings), _space(job, settings)
    assistant = make_assistant(job, teacher)  # now, or each worker would train it
    folder = job.folder / FOLDER / _key(job, teacher, assistant, track, space)
    place = place_of(job, teacher, _caught(job, teacher))
    with open_ledger(folder, space, seed=job.line_file.seed) as ledger:
        with _engine(settings, place, folder) as engine, search_view(job.console, settings, track) as watch:
            Loop(ledger, engine, track, settings, watch=watch, notify=job.console.notify).run()
        trials, gates = ledger.trials, job.line_file.gates
        chosen = finalists(trials, count=settings.rows, budget=job.budget, gates=gates)
        recipes = tuple(track.recipe(ledger.point(each.number), each.number) for each in chosen)
        facts = search_facts(trials, settings, track, spent_s=ledger.spent_s, rows={each.number for each in chosen})
    keep_found(job, recipes, facts)
    return Found(recipes=recipes, trials=tuple(trials))


def _settings_of(line_file: LineFile) -> SearchSettings:
    if line_file.search is None:
        msg = "search: wanted a line file with `search`, got one without; write search: {trials: 40, minutes: 60}"
        raise LineFileError(msg)
    if line_file.teacher.onnx is not None:
        msg = (
            "search: students learn from a torch teacher, but the teacher is a finished ONNX file; "
            "give its weights, or write recipes"
        )
        raise LineFileError(msg)
    return line_file.search


def _track(job: RunJob, teacher: Made, settings: SearchSettings) -> Track:
    from ...compress.checkpoint import read_header

    frame = read_header(teacher.path)["frame"]
    return Track(
        fit=settings.fit,
        teacher=settings.teacher,
        rungs=_rungs(settings, images=len(job.dataset.of("train"))),
        input_size=(int(frame["height"]), int(frame["width"])),
        budget=job.budget,
        gates=job.line_file.gates,
    )


def _rungs(settings: SearchSettings, *, images: int) -> tuple[int, ...]:
    fewest = ceil(settings.rung_steps / settings.fit.steps_of(images))
    return rung_epochs(settings.fit.epochs, settings.halvings, fewest=fewest)


def _space(job: RunJob, settings: SearchSettings) -> Space:
    """Leave out the runtimes that are not here or not on a device, with a notice each."""
    left_out = {name: why for name in settings.space.backend if (why := _unfit(name, job.devices)) is not None}
    for name, why in left_out.items():
        job.console.notify(f"search: {name} is left out: {why}")
    here = [name for name in dict.fromkeys(settings.space.backend) if name not in left_out]
    if not here:
        msg = f"search.space.backend: none can be had: {'; '.join(left_out.values())}"
        raise MissingPartError(msg)
    threads = min([each.target.threads for each in job.devices], default=job.target.threads)
    found = settings.space.model_copy(update={"networks": _startable(settings, job.console.notify)})
    return space_of(found, backends=here, threads=threads)


def _startable(settings: SearchSettings, notify: Callable[[str], None]) -> tuple[NetworkChoices, ...]:
    """Leave out the networks that start from weights which are not installed, with a notice each."""
    lacking = [next(filter(None, map(missing_weights, each.descriptions())), None) for each in settings.space.networks]
    for why in dict.fromkeys(filter(None, lacking)):
        notify(f"search: networks that start from pretrained weights are left out: {why}")
    found = tuple(each for each, why in zip(settings.space.networks, lacking, strict=True) if why is None)
    if not found:
        msg = f"search.space.networks: none can be had: {lacking[0]}"
        raise MissingPartError(msg)
    return found


def _unfit(name: str, devices: tuple[Device, ...]) -> str | None:
    if runs_checkpoint(name):
        return "it runs the checkpoint, not what is exported"
    if (missing := backends()[name].missing()) is not None:
        return missing
    return next((why for device in devices if (why := device.missing.get(name)) is not None), None)


def _key(job: RunJob, teacher: Made, assistant: Made, track: Track, space: Space) -> str:
    """Name the study by all that its trials' values hang on; trials, minutes and workers are not among it."""
    facts = {
        "teacher": teacher.key,
        "data": job.dataset.digest,
        "fit": track.fit.model_dump(mode="json"),
        "rungs": track.rungs,
        "space": space.to_json(),
        "gates": track.gates.model_dump(mode="json"),
        "cut": job.line_file.cut,
        "belt": [str(job.budget.arrivals), job.budget.deadline_ms],
        "devices": [
            [each.name, each.target.threads, machine_digest(each.facts, *space.shared["backend"])]
            for each in job.devices
        ],
        "methods": {name: step_versions(name, teacher.path) for name in _METHODS},
        "decide": job.line_file.data.decide,
        "seed": job.line_file.seed,
    }
    if assistant != teacher:
        facts["assistant"] = assistant.key
    if track.teacher != DistillWeights():
        facts["taught"] = track.teacher.model_dump(mode="json")
    return digest_of_json(facts).removeprefix("sha256:")[:16]


def _caught(job: RunJob, teacher: Made) -> frozenset[str]:
    """Say which of val's defective parts the teacher rejects, at the threshold that val gives it."""
    scores = score_val(job, build_artifact(job, "torch_eager", teacher), TEACHER)
    decided, val = as_decided(job, job.dataset.of("val"), scores)
    rejected = decide(TEACHER, decided, val, threshold=fitted_on_val(job, scores).threshold).rejected
    return frozenset(sample.path for sample in val if sample.defective and rejected[sample.path])


def _engine(settings: SearchSettings, place: Place, folder: Path) -> AbstractContextManager[Engine]:
    if settings.engine == "ray":
        from .on_ray import ray_engine

        return ray_engine(place, settings)
    return local_workers(place, count=settings.workers, logs=folder)
