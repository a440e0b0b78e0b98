"""The `search:` section of line.yaml: how long to look, and among what; families of students with lists of choices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...compress.networks.base.families import normal_network
from ...compress.training.fit_settings import FitSettings
from ...compress.training.teacher_terms import DistillWeights
from ...inspection.base.plugins import plugins

MOST_CHOICES = 64
"""Values that a list may hold."""


class NetworkChoices(BaseModel):
    """A family of students; each of its keys takes one value or a list of values to choose from.

    Attributes:
        family: A family by name, such as `plain` or `timm`; its own keys stand beside it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    family: str = "plain"

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """What each key may be, in the order written; numbers from small to large."""
        return {name: _ordered(value) for name, value in (self.model_extra or {}).items()}

    @model_validator(mode="after")
    def _each_can_be_built(self) -> NetworkChoices:
        for each in self.descriptions():
            normal_network(each)
        if _names_files(self.family):
            msg = f"family {self.family} runs code of your own, which is not searched; write recipes for it"
            raise ValueError(msg)
        return self

    def descriptions(self) -> Iterator[dict[str, Any]]:
        """Give networks as line.yaml would write them: the first choices, then each other choice in place of its first.

        Raises:
            ValueError: A key has no choice, or too many.
        """
        if wrong := [name for name, values in self.choices.items() if not 1 <= len(values) <= MOST_CHOICES]:
            msg = f"{wrong[0]}: wanted 1 to {MOST_CHOICES} values to choose from; write one at least"
            raise ValueError(msg)
        first = {"family": self.family, **{name: values[0] for name, values in self.choices.items()}}
        yield first
        for name, values in self.choices.items():
            yield from ({**first, name: value} for value in values[1:])


def _ordered(value: Any) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    try:
        values = tuple(dict.fromkeys(values))
    except TypeError as error:
        msg = f"wanted plain values to choose from, got {value!r:.80}"
        raise ValueError(msg) from error
    return tuple(sorted(values)) if are_numbers(values) else values


def are_numbers(values: tuple[Any, ...]) -> bool:
    """Whether values have an order: a search then knows which are neighbours."""
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def _names_files(family: str) -> bool:
    settings: type[BaseModel] = plugins("compress.networks")[family].settings_type
    return any(each.annotation is Path for each in settings.model_fields.values())


USUAL_NETWORKS = tuple(
    NetworkChoices.model_validate(each)
    for each in (
        {"family": "plain", "width": [8, 12, 16, 24, 32], "depth": [1, 2, 3], "stride": [4, 8]},
        {"family": "timm", "backbone": ["mobilenetv3_small_050", "mobilenetv3_small_075"], "width": [16, 24]},
        {"family": "timm", "backbone": "tf_efficientnet_lite0", "pretrained": True, "width": 24, "coarsest": [16, 32]},
    )
)
"""What is chosen from where line.yaml does not say; what starts from weights that are not installed is left out."""


Scale = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0, le=0.8)]
Threads = Annotated[int, Field(ge=1, le=1024)]


class SpaceSettings(BaseModel):
    """What a trial may be made of; one value in a list fixes it.

    Attributes:
        networks: Families of students with the widths and depths to choose from.
        scale: Input size of the student as a share of the teacher's, each edge rounded to 32 pixels.
        prune: Share of channels that leave the trained student; 0: it is not pruned.
        precision: `int8` quantizes at the end.
        backend: Runtimes by name; one that is not installed is left out and named.
        threads: Of the engine; None: powers of two up to the line's threads, and those.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    networks: tuple[NetworkChoices, ...] = Field(default=USUAL_NETWORKS, min_length=1, max_length=16)
    scale: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=MOST_CHOICES)] = (0.5, 0.75, 1.0)
    prune: Annotated[tuple[Ratio, ...], Field(min_length=1, max_length=MOST_CHOICES)] = (0.0, 0.2, 0.4)
    precision: Annotated[tuple[Literal["fp32", "int8"], ...], Field(min_length=1, max_length=2)] = ("int8", "fp32")
    backend: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)] = ("open_vino", "onnx_runtime")
    threads: Annotated[tuple[Threads, ...], Field(min_length=1, max_length=MOST_CHOICES)] | None = None


class SearchSettings(BaseModel):
    """Look for recipes instead of writing them.

    Attributes:
        trials: Recipes to try at most, those of earlier calls of the same search included.
        minutes: After so long no new work is begun; what is under way is finished.
        rows: The best so many become rows: tested, measured at line rate, judged.
        halvings: How often only the better third is trained on, for three times as long; 0: all are trained whole.
        rung_steps: Steps of training below which nobody is compared: a rung with fewer is left out, the last never.
        fit: How a student is trained in the end; earlier rungs have fewer epochs.
        teacher: The weights of the teacher's terms, in every training.
        space: What to choose from.
        engine: `local`: worker processes on this machine; `ray`: tasks on a Ray cluster.
        workers: Trainings at the same time; None: one for each four CPUs, on Ray one for each node that has CPUs.
        cpus: Ray: CPUs that a training holds.
        gpus: Ray: GPUs (or the share of one) that a training holds.
        address: Ray: of the cluster's head, such as `auto` or `10.0.0.5:6379`; None: RAY_ADDRESS, else `auto`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trials: int = Field(default=40, ge=1, le=10_000)
    minutes: float = Field(default=60, gt=0, le=100_000, allow_inf_nan=False)
    rows: int = Field(default=3, ge=1, le=20)
    halvings: int = Field(default=2, ge=0, le=4)
    rung_steps: int = Field(default=300, ge=1, le=1_000_000)
    fit: FitSettings = FitSettings(epochs=16, learning_rate=0.004)
    teacher: DistillWeights = DistillWeights()
    space: SpaceSettings = SpaceSettings()
    engine: Literal["local", "ray"] = "local"
    workers: int | None = Field(default=None, ge=1, le=1024)
    cpus: int = Field(default=1, ge=1, le=1024)
    gpus: float = Field(default=0, ge=0, le=64, allow_inf_nan=False)
    address: str | None = Field(default=None, max_length=200)
