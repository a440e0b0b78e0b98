"""A point of the search space, and the recipe that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from ...compress.networks.base.families import normal_network
from ...compress.recipe import RecipeSettings, Step
from ...compress.training.fit_settings import FitSettings
from ...compress.training.teacher_terms import DistillWeights
from ...inspection.base.storage import digest_of_json

_EDGE = 32
_MENDING_SHARE = 4
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

    def words(self) -> str:
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
    """Scale the teacher's input; None where that is the teacher's own, as a recipe by hand would leave it."""
    scaled = [max(_EDGE, _EDGE * floor(point.scale * edge / _EDGE + 0.5)) for edge in input_size]
    return None if tuple(scaled) == input_size else scaled


def _fine_tuning(fit: FitSettings) -> FitSettings:
    epochs, rate = max(1, fit.epochs // _MENDING_SHARE), fit.learning_rate / _MENDING_SHARE
    return fit.model_copy(update={"epochs": epochs, "learning_rate": rate})


def _dumped(fit: FitSettings) -> dict[str, Any]:
    return fit.model_dump(mode="json")
