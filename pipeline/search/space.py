"""The search space: a point and its recipe, the names and choices that optuna sees, and where a search begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any

from ...compress.networks.base.families import full_network, normal_network
from ...compress.recipe import RecipeSettings, Step
from ...compress.training.fit_settings import FitSettings
from ...compress.training.teacher_terms import DistillWeights
from ...inspection.base.storage import digest_of_json
from .settings import NetworkChoices, SpaceSettings, are_numbers

if TYPE_CHECKING:
    from optuna.trial import FixedTrial, Trial


_EDGE = 32
_FINE_TUNING_SHARE = 4
_ROUND_TO = 4
_PREFIX = "trial-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One choice for everything.

    Attributes:
        network: A student as line.yaml would write it, checked.
        scale: Of the teacher's input, in (0, 1].
        prune: Share of channels that leave, in [0, 0.8]; 0: none.
        precision: `fp32` or `int8`.
        backend: A runtime's name.
        threads: Of the engine, >= 1.
    """

    network: Mapping[str, Any]
    scale: float
    prune: float
    precision: str
    backend: str
    threads: int

    @property
    def student(self) -> str:
        """Digest of what is trained before anything else: points that share it share work."""
        return digest_of_json([normal_network(dict(self.network)), self.scale])

    def describe(self) -> str:
        """Give it in one line for people."""
        named = [f"{key} {value}" for key, value in self.network.items() if key != "family"]
        parts = [" ".join([str(self.network["family"]), *named])]
        parts += [f"input x {self.scale:g}"] if self.scale != 1 else []
        parts += [f"{self.prune:.0%} pruned"] if self.prune else []
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return ", ".join([*parts, self.precision, self.backend, threads])


def trial_name(number: int) -> str:
    """Name a trial as its row would be called.

    >>> trial_name(7)
    'trial-07'
    """
    return f"{_PREFIX}{number:02d}"


def recipe_of(
    point: Point, *, name: str, fit: FitSettings, teacher: DistillWeights, input_size: tuple[int, int]
) -> RecipeSettings:
    """Write the recipe that a point stands for.

    Args:
        point: What was chosen.
        name: Of the row.
        fit: How the student is trained; what is pruned is fine-tuned for a quarter of the epochs, at a
            quarter of the rate.
        teacher: The weights of the teacher's terms, in both trainings.
        input_size: The teacher's `[height, width]`.
    """
    taught = {"teacher": teacher.model_dump(mode="json")}
    student = {"network": dict(point.network), "fit": _dumped(fit), "input_size": _size(point, input_size)}
    steps: list[dict[str, Any] | str] = [{"distill": {**student, **taught}}]
    if point.prune:
        steps.append(
            {"prune": {"ratio": point.prune, "round_to": _ROUND_TO, "fit": _dumped(_fine_tuning(fit)), **taught}}
        )
    if point.precision == "int8":
        steps.append("quantize")
    return RecipeSettings(
        name=name,
        backend=point.backend,
        threads=point.threads,
        steps=tuple(Step.model_validate(step) for step in steps),
    )


def _size(point: Point, input_size: tuple[int, int]) -> list[int] | None:
    """Scale the teacher's input; None where that is the teacher's own, as a written recipe would leave it."""
    scaled = [max(_EDGE, _EDGE * floor(point.scale * edge / _EDGE + 0.5)) for edge in input_size]
    return None if tuple(scaled) == input_size else scaled


def _fine_tuning(fit: FitSettings) -> FitSettings:
    epochs, rate = max(1, fit.epochs // _FINE_TUNING_SHARE), fit.learning_rate / _FINE_TUNING_SHARE
    return fit.model_copy(update={"epochs": epochs, "learning_rate": rate})


def _dumped(fit: FitSettings) -> dict[str, Any]:
    return fit.model_dump(mode="json")


_SHARED = ("scale", "prune", "precision", "backend", "threads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What can be had here: the settings with every default filled in.

    Attributes:
        networks: Label to family; the label is the family's name, numbered where it stands there twice.
        shared: Choices that every family has: `scale`, `prune`, `precision`, `backend`, `threads`.
    """

    networks: Mapping[str, NetworkChoices]
    shared: Mapping[str, tuple[Any, ...]]

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form: what the study's identity rests on."""
        networks = {label: {"family": each.family, **each.choices} for label, each in self.networks.items()}
        return {"networks": networks, **{name: list(values) for name, values in self.shared.items()}}


def space_of(settings: SpaceSettings, *, backends: Sequence[str], threads: int) -> Space:
    """Fill in what the machine decides.

    Args:
        settings: As line.yaml writes them.
        backends: Those of the settings that are installed, at least one.
        threads: Of the line: more are not tried.
    """
    chosen = settings.threads or tuple(2**power for power in range(threads.bit_length()))
    known = {*(each for each in chosen if each <= threads), *(() if settings.threads else (threads,))}
    return Space(
        networks=dict(_labelled(settings.networks)),
        shared={
            "scale": tuple(sorted(set(settings.scale))),
            "prune": tuple(sorted(set(settings.prune))),
            "precision": tuple(dict.fromkeys(settings.precision)),
            "backend": tuple(backends),
            "threads": tuple(sorted(known)) or (threads,),
        },
    )


def suggest(trial: Trial | FixedTrial, space: Space) -> Point:
    """Let optuna choose; numbers by their place in the list, so that it knows which are neighbours."""
    label = _chosen(trial, "network", tuple(space.networks))
    entry = space.networks[label]
    network = {name: _chosen(trial, f"{label}.{name}", values) for name, values in entry.choices.items()}
    shared = {name: _chosen(trial, name, space.shared[name]) for name in _SHARED}
    return Point(network={"family": entry.family, **network}, **shared)


def parameters_of(point: Point, space: Space) -> dict[str, Any] | None:
    """Give what optuna would have to choose to arrive at a point; None where it lies outside the space."""
    network = full_network(point.network)
    label = next((label for label, each in space.networks.items() if _is_of(network, each)), None)
    if label is None:
        return None
    wanted = [("network", tuple(space.networks), label)]
    wanted += [(f"{label}.{key}", each, network[key]) for key, each in space.networks[label].choices.items()]
    wanted += [(name, space.shared[name], getattr(point, name)) for name in _SHARED]
    if any(value not in values for _, values, value in wanted):
        return None
    return {name: _parameter(values, value) for name, values, value in wanted if len(values) > 1}


def _labelled(networks: Sequence[NetworkChoices]) -> Iterator[tuple[str, NetworkChoices]]:
    seen: dict[str, int] = {}
    for each in networks:
        seen[each.family] = seen.get(each.family, 0) + 1
        yield (each.family if seen[each.family] == 1 else f"{each.family}#{seen[each.family]}"), each


def _is_of(network: Mapping[str, Any], choices: NetworkChoices) -> bool:
    """Whether a checked network can be chosen; keys that are not written have their defaults."""
    if network["family"] != choices.family:
        return False
    defaults = {key: (value,) for key, value in full_network({"family": choices.family}).items()}
    offered = {**defaults, **choices.choices}
    return all(value in offered[key] for key, value in network.items())


def _chosen(trial: Trial | FixedTrial, name: str, values: tuple[Any, ...]) -> Any:
    if len(values) == 1:
        return values[0]
    if are_numbers(values):
        return values[trial.suggest_int(name, 0, len(values) - 1)]
    return trial.suggest_categorical(name, values)


def _parameter(values: tuple[Any, ...], value: Any) -> Any:
    return values.index(value) if are_numbers(values) else value


_LITE0 = {"family": "timm", "backbone": "tf_efficientnet_lite0", "pretrained": True, "width": 24}
_STARTS: tuple[dict[str, Any], ...] = (
    {"network": {"width": 16}},
    {"network": {**_LITE0, "coarsest": 16}, "scale": 0.75},
    {"network": {"width": 16, "depth": 3}},
    {"network": {"width": 24}},
    {"network": _LITE0, "scale": 0.75},
    {"network": {"width": 24}, "precision": "fp32"},
    {"network": {"width": 24, "depth": 3}},
    {"network": {"width": 16, "stride": 8}},
    {"network": {"width": 16}, "scale": 0.75},
    {"network": {"width": 8, "depth": 1}},
)
"""INT8 unless they say fp32: the recipes of the built-in line and of the examples, from noise and from pretrained
weights, and their neighbours towards fewer escapes and towards fewer milliseconds."""


def warm_starts(space: Space) -> list[dict[str, Any]]:
    """Give the parameters of the starts that lie in a space, on its first backend with most threads; best guess first.

    What a start does not say is as in a written recipe, or the only choice that there is.
    """
    found = [parameters_of(_point(start, space), space) for start in _STARTS]
    return [each for position, each in enumerate(found) if each is not None and each not in found[:position]]


def _point(start: dict[str, Any], space: Space) -> Point:
    precision = start.get("precision", "int8")
    offered = space.shared
    return Point(
        network={"family": "plain", **start["network"]},
        scale=start.get("scale", max(offered["scale"])),
        prune=start.get("prune", min(offered["prune"])),
        precision=precision if precision in offered["precision"] else offered["precision"][0],
        backend=offered["backend"][0],
        threads=max(offered["threads"]),
    )
