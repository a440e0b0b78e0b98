"""The `search:` section of line.yaml: how long to look, and among what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...compress.training.fit_settings import FitSettings
from ...compress.training.teacher_terms import DistillWeights
from .networks import MOST_CHOICES, USUAL_NETWORKS, NetworkChoices

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
