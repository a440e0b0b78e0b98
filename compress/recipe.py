"""Recipes: ordered steps, each naming a method of `compress/methods/` and its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    model_serializer,
    model_validator,
)
from typing_extensions import Self

from ..inspection.base.plugins import chosen_plugin, plugins
from ..inspection.data.dataset import Dataset
from ..inspection.statistics.quality import Paired
from .latency_table import LatencyTable
from .networks.base.shape import NetworkShape
from .training.fit_settings import FitSettings

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""


def _notify_nobody(_text: str) -> None:
    return None


class EngineTimer(Protocol):
    """Times networks as they will run: on the target, in the recipe's backend and precision, in a fresh process."""

    def table(self, checkpoint: Path, shape: NetworkShape) -> LatencyTable:
        """Say how a checkpoint's time depends on its widths; measured once for each device and set of versions."""
        ...

    def engine_ms(self, checkpoint: Path) -> float:
        """Build a checkpoint as its recipe goes on, and measure the engine's milliseconds for a frame."""
        ...


class EscapeJudge(Protocol):
    """Runs ONNX files on real frames of val as the recipe's backend runs them; test is never read."""

    @property
    def allowed(self) -> float:
        """Largest upper bound of the rise in escape rate against the teacher, in (0, 1): the gate of line.yaml."""
        ...

    def scores(self, graph: Path, *, at_most: int | None = None) -> NDArray[np.float64]:
        """Score frames of val, `[frames]`, each in [0, 1].

        Args:
            graph: An ONNX file that holds the inspector contract.
            at_most: Take only so many, evenly spread over good and over defective ones; None: all of val.
        """
        ...

    def escapes(self, scores: NDArray[np.float64]) -> Paired:
        """Fit a threshold to scores of all of val and compare what escapes there with the teacher's escapes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleContext:
    """What a method that works on the torch module is given.

    Attributes:
        dataset: Train and val are used; test is never read here.
        teacher: The teacher's checkpoint.
        target_file: Where to write the new checkpoint.
        partial: A folder that outlives a killed run, for resuming.
        device: `auto`, `cpu` or `cuda`.
        seed: Of everything random.
        progress: Called often.
        timer: Times networks as the recipe goes on with them; None where there is no device to measure on.
        notify: Called with each message that a user should see.
        weight_bits: As of `GraphContext`.
    """

    dataset: Dataset
    teacher: Path
    target_file: Path
    partial: Path
    device: str
    seed: int
    progress: Progress
    timer: EngineTimer | None = None
    notify: Callable[[str], None] = _notify_nobody
    weight_bits: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphContext:
    """What a method that works on the ONNX graph is given.

    Attributes:
        target_file: Where to write the new ONNX file.
        calibration: Gives training frames, good and defective, uint8 `[height, width, channels]`, or where the graph
            compares each above its reference; may be called again.
        calibration_count: How many frames one pass gives.
        backend: Name of the backend that the recipe ends in.
        progress: Called often.
        judge: Says what a graph lets escape on val; None where nobody can.
        reference: Whether the graph compares frames with references.
        notify: Called with a sentence that a user should know.
        weight_bits: Bits of an int8 weight that every processor which runs the graph multiplies without an overflow, 7
            or 8 (`targets.fingerprint.weight_bits`).
    """

    target_file: Path
    calibration: Callable[[], Iterator[NDArray[np.uint8]]]
    calibration_count: int
    backend: str
    progress: Progress
    judge: EscapeJudge | None = None
    reference: bool = False
    notify: Callable[[str], None] = _notify_nobody
    weight_bits: int = 7


class StepSettings(BaseModel):
    """What may be written below a method's name: the base of every method's `step_type`.

    What a step asks for beyond its own work is declared here, and asks for nothing unless a method overrides it.

    Attributes:
        to_int8: The step makes an int8 graph, or works on one: without it the row is its own float sibling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    to_int8: ClassVar[bool] = False

    @property
    def wanted_ms(self) -> float | None:
        """Milliseconds in the engine that the step works towards: it gets `ModuleContext.timer`; None: no time."""
        return None

    def made_for(self, weight_bits: int) -> dict[str, Any]:  # noqa: ARG002  for those that round weights
        """Name what the step makes otherwise for processors with so many bits for a weight; empty: nothing."""
        return {}

    @property
    def judged(self) -> bool:
        """Whether the step measures its cost on val: it gets `GraphContext.judge`, and is redone if a gate changes."""
        return False

    def unjudged(self) -> Self:
        """Give the same settings without that; called where `judged`."""
        return self

    @property
    def built_network(self) -> dict[str, Any] | None:
        """Description of the network that the step builds, so that a change of its code is noticed; None: none."""
        return None

    @property
    def training(self) -> FitSettings | None:
        """How the step trains; None where it does not."""
        return None

    def trained_with(self, training: FitSettings) -> Self:  # noqa: ARG002  for those that train
        """Give the same settings with another training, such as a shorter one; called where `training` is not None."""
        return self


class Method(Protocol):
    """A way to make a model smaller. One file in `compress/methods/` each, with the constant `METHOD`."""

    @property
    def name(self) -> str:
        """As written in a recipe."""
        ...

    @property
    def works_on(self) -> Literal["module", "graph"]:
        """A torch checkpoint, or an ONNX file."""
        ...

    @property
    def step_type(self) -> type[StepSettings]:
        """What may be written below the method's name, and what such a step asks for."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions that decide the result, such as `nncf`: another version of one, and the step is done again."""
        ...

    def missing(self) -> str | None:
        """Say what is not installed and how to get it, or None."""
        ...

    def apply(self, source: Path, step: Any, context: Any) -> None:
        """Read `source` (checkpoint or ONNX) and write `context.target_file`."""
        ...


def methods() -> dict[str, Method]:
    """Give all methods by name."""
    return dict(plugins("compress.methods"))


class Step(BaseModel):
    """One step as the user wrote it: `{method: {settings}}`.

    >>> Step.model_validate({"quantize": {}}).method
    'quantize'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str
    settings: SerializeAsAny[StepSettings]

    @model_validator(mode="before")
    @classmethod
    def _from_entry(cls, value: Any) -> Any:
        method, settings = chosen_plugin(value, "compress.methods", example="prune: {ratio: 0.5}", settings="step_type")
        return {"method": method, "settings": settings}

    @model_serializer
    def _to_entry(self) -> dict[str, Any]:
        return {self.method: self.settings.model_dump(mode="json")}

    @property
    def works_on(self) -> Literal["module", "graph"]:
        """What the step's method works on."""
        return methods()[self.method].works_on

    def unjudged(self) -> Step:
        """Give the same step without measuring its cost on val."""
        return self.model_copy(update={"settings": self.settings.unjudged()}) if self.settings.judged else self

    def sentence(self) -> str:
        """Give the step in one line for reports.

        >>> Step.model_validate("quantize").sentence().split()[0]
        'quantize'
        """
        options = self.settings.model_dump(mode="json", exclude_defaults=True)
        network = dict(self.settings.built_network or {})
        family = [str(network.pop("family"))] if network else []
        named = {**network, **options}
        return " ".join([self.method, *family, *(f"{k}={v}" for k, v in named.items() if not isinstance(v, dict))])


class RecipeSettings(BaseModel):
    """One candidate: its steps in order, and the runtime it ends in.

    Attributes:
        name: Row name in the report, unique.
        backend: Name of a backend.
        threads: Of the engine; None: the line's, which is also the most.
        steps: Module steps first, then graph steps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[\w.-]{1,60}$")
    backend: str = "open_vino"
    threads: int | None = Field(default=None, ge=1, le=1024)
    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _modules_first(self) -> RecipeSettings:
        kinds = [step.works_on for step in self.steps]
        if kinds != sorted(kinds, reverse=True):
            order = " -> ".join(step.method for step in self.steps)
            msg = f"recipe {self.name}: steps on the graph (quantize) come after steps on the module, got {order}"
            raise ValueError(msg)
        return self
