"""The build recipe: everything that decides how an engine is built from an ONNX file, frozen where the file is made.

It lies beside the model as `model.json`, so that the same engine is asked for wherever the two go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ...inspection.base.errors import GraphError
from ...inspection.base.validation import describe_validation
from ...inspection.data.frame import FrameSpec
from ..contracts import Precision

FORMAT: Final = 1
WORKSPACE_MIB: Final = 1024
"""Scratch memory for a layer, at most: a Jetson shares its memory with everything else that runs there."""

_MAX_BYTES = 100_000
_LEAST_PIXELS, _MOST_PIXELS = 32, 4096
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
_Side = Annotated[int, Field(ge=1, le=16384)]
Size = tuple[_Side, _Side]
"""Height and width in pixels."""


class FrameRange(BaseModel):
    """Sizes of the frames that an engine takes: TensorRT's optimization profile.

    Attributes:
        least: Smallest height and width.
        usual: Height and width that it is made fast for.
        most: Largest height and width; memory is set aside for them.
        channels: 1 or 3.
    """

    model_config = _STRICT
    least: Size
    usual: Size
    most: Size
    channels: Literal[1, 3]

    @model_validator(mode="after")
    def _ascends(self) -> FrameRange:
        if any(not low <= mid <= high for low, mid, high in zip(self.least, self.usual, self.most, strict=True)):
            msg = f"least, usual and most must ascend, got {self.least}, {self.usual} and {self.most}"
            raise ValueError(msg)
        return self

    @property
    def fixed(self) -> bool:
        """Whether every frame has one size: then all work of a frame can be captured once and replayed."""
        return self.least == self.most

    def shapes(self, channels: int) -> tuple[tuple[int, int, int], ...]:
        """Give the least, usual and most shape `[height, width, channels]`."""
        return tuple((height, width, channels) for height, width in (self.least, self.usual, self.most))


class BuildRecipe(BaseModel):
    """How to build an engine. Precision is in the ONNX: every network is strongly typed, and TF32 is off.

    Attributes:
        format: Of this file; raised when an older Beltline must not read it.
        precision: Of the weighted layers, for people.
        frames: Sizes of the frames.
        size_left_open: The ONNX file leaves the frame's size open, so that the engine needs a profile, be it for one
            size.
        workspace_mib: Scratch memory for a layer, at most.
        optimization_level: TensorRT's builder level: 0 builds fastest, 5 searches longest, 3 is its own default.
        sparse_weights: Weights are 2:4 sparse: let TensorRT try its kernels for that.
        compares: The model takes a reference beside each frame, as a second input; left out of the file where it does
            not, so that an older Beltline reads it.
        dla_core: Deep learning accelerator to run on, layers that it cannot run stay on the GPU; None: the GPU only.
    """

    model_config = _STRICT
    format: Literal[1] = FORMAT
    precision: Precision
    frames: FrameRange
    size_left_open: bool
    workspace_mib: Annotated[int, Field(ge=16, le=65536)] = WORKSPACE_MIB
    optimization_level: Annotated[int, Field(ge=0, le=5)] = 3
    sparse_weights: bool = False
    compares: bool = False
    dla_core: Annotated[int, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _suits_the_accelerator(self) -> BuildRecipe:
        if self.dla_core is not None and (self.precision == "fp32" or not self.frames.fixed):
            msg = "dla_core needs frames of one size in fp16 or int8: an accelerator takes no varying shape and no fp32"
            raise ValueError(msg)
        return self

    @model_serializer(mode="wrap")
    def _without_reference(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return written if self.compares else {name: value for name, value in written.items() if name != "compares"}

    def inputs(self) -> dict[str, tuple[tuple[int, int, int], ...]]:
        """Give the least, usual and most shape `[height, width, depth]` of each input, by its name."""
        frame = {"frame": self.frames.shapes(self.frames.channels)}
        return frame | {"reference": self.frames.shapes(self.frames.channels + 1)} if self.compares else frame


def frames_of_spec(spec: FrameSpec) -> FrameRange:
    """Give the frame sizes that a graph takes: one, or where it leaves that open everything from 32 to 4096 pixels."""
    spec = spec.in_graph
    most = (max(_MOST_PIXELS, spec.height), max(_MOST_PIXELS, spec.width))
    return FrameRange(
        least=(spec.frame_height or _LEAST_PIXELS, spec.frame_width or _LEAST_PIXELS),
        usual=(spec.frame_height or spec.height, spec.frame_width or spec.width),
        most=(spec.frame_height or most[0], spec.frame_width or most[1]),
        channels=3 if spec.channels == 3 else 1,
    )


def recipe_bytes(recipe: BuildRecipe) -> bytes:
    """Give the JSON form; the same recipe gives the same bytes."""
    return (json.dumps(recipe.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()


def read_recipe(path: Path) -> BuildRecipe:
    """Read a recipe that came from anywhere.

    Raises:
        GraphError: There is none, it is too large, or of another form.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        msg = f"{path}: wanted the model's build recipe, got nothing ({error.strerror}); build the artifact again"
        raise GraphError(msg) from error
    if len(raw) > _MAX_BYTES:
        msg = f"{path}: wanted a build recipe of at most {_MAX_BYTES} bytes, got more; build the artifact again"
        raise GraphError(msg)
    try:
        return BuildRecipe.model_validate_json(raw)
    except ValidationError as error:
        msg = f"{path}: {describe_validation(error)}; build the artifact again, or update Beltline here"
        raise GraphError(msg) from error


def trtexec_command(
    recipe: BuildRecipe, *, onnx: str = "model.onnx", engine: str = "model.engine", timing: str = "timing.cache"
) -> tuple[str, ...]:
    """Give the words of the command that builds the same engine, and then measures it.

    Options as in trtexec of TensorRT 10.3 to 11.x; from 11 on `--stronglyTyped` is always so, and taken all the same.
    On a Jetson the program is `/usr/src/tensorrt/bin/trtexec`.

    Args:
        recipe: How to build.
        onnx: The model that lies beside the recipe.
        engine: Where the engine goes.
        timing: Kept from build to build: the next one is faster.

    >>> from .recipe import FrameRange
    >>> sizes = FrameRange(least=(480, 640), usual=(480, 640), most=(480, 640), channels=3)
    >>> " ".join(trtexec_command(BuildRecipe(precision="int8", frames=sizes, size_left_open=False))[:4])
    'trtexec --onnx=model.onnx --saveEngine=model.engine --stronglyTyped'
    """
    command = ["trtexec", f"--onnx={onnx}", f"--saveEngine={engine}", "--stronglyTyped", "--noTF32"]
    command += [f"--memPoolSize=workspace:{recipe.workspace_mib}M", f"--timingCacheFile={timing}"]
    command.append(f"--builderOptimizationLevel={recipe.optimization_level}")
    if recipe.sparse_weights:
        command.append("--sparsity=enable")
    if recipe.dla_core is not None:
        command += [f"--useDLACore={recipe.dla_core}", "--allowGPUFallback"]
    if recipe.frames.fixed:
        command.append("--useCudaGraph")
    if recipe.size_left_open:
        for place, name in enumerate(("min", "opt", "max")):
            shapes = ",".join(f"{each}:{_shape(sizes[place])}" for each, sizes in recipe.inputs().items())
            command.append(f"--{name}Shapes={shapes}")
    return tuple(command)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)
