"""The search space as optuna sees it: names, choices, and the way back from values to names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...compress.networks.base.families import normal_network
from .networks import NetworkChoices, are_numbers
from .points import Point
from .settings import SpaceSettings

if TYPE_CHECKING:
    from optuna.trial import FixedTrial, Trial

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
    network = normal_network(dict(point.network))
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
    defaults = {key: (value,) for key, value in normal_network({"family": choices.family}).items()}
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
