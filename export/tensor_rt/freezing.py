"""From a graph to what travels to a device: `model.onnx` as TensorRT takes it, and its recipe `model.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...compress.graph_bytes import graph_bytes, properties_of
from ...compress.pixels_first import cast_pixels_first
from ...inspection.base.errors import GraphError
from ...inspection.base.storage import write_bytes
from ...targets.target import Target
from ..artifacts import artifact_of
from ..contracts import Artifact, Graph
from ..device_check.check import check_file
from ..device_check.device_runtime import RUNTIMES
from ..device_check.graph_index import index_of
from ..graph_reading import parse_model
from ..sparsity import sparsity_of
from .recipe import WORKSPACE_MIB, BuildRecipe, FrameRange, frames_of_spec, recipe_bytes

NAME = "tensor_rt"
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """What a user asks of an engine; the rest follows from the graph.

    Attributes:
        frames: Sizes of the line's frames; None: those that the graph leaves open, see `recipe.frames_of_spec`.
        workspace_mib: Scratch memory for a layer, at most.
        dla_core: See `BuildRecipe`.
    """

    frames: FrameRange | None = None
    workspace_mib: int = WORKSPACE_MIB
    dla_core: int | None = None


PLAIN = RecipeOptions()


def freeze(graph: Graph, target: Target, folder: Path, *, options: RecipeOptions = PLAIN) -> Artifact:
    """Write what an engine is built from; no TensorRT is needed for that.

    Args:
        graph: The model.
        target: What it is for.
        folder: Existing and empty.
        options: What the user asks for.

    Raises:
        GraphError: No TensorRT that Beltline knows takes the graph, or the options do not suit it; nothing is built.
        MissingPartError: onnx is not installed.
    """
    path = folder / "model.onnx"
    model = parse_model(graph.path)
    cast_pixels_first(model)
    write_bytes(path, graph_bytes(model, properties=properties_of(model)))
    require_taken(path)
    write_bytes(path.with_suffix(".json"), recipe_bytes(recipe_for(graph, path, options)))
    return artifact_of(path, graph=graph, backend=NAME, target=target)


def recipe_for(graph: Graph, path: Path, options: RecipeOptions) -> BuildRecipe:
    """Work out a recipe.

    Args:
        graph: The model as it was exported.
        path: Its ONNX file as TensorRT takes it.
        options: What the user asks for.

    Raises:
        GraphError: The options do not suit the model.
    """
    own = frames_of_spec(graph.frame)
    try:
        return BuildRecipe(
            precision=graph.precision,
            frames=own if own.fixed else options.frames or own,
            size_left_open=not own.fixed,
            workspace_mib=options.workspace_mib,
            sparse_weights=bool(sparsity_of(index_of(path)).sparse),
            compares=graph.frame.reference,
            dla_core=options.dla_core,
        )
    except ValueError as error:
        msg = f"{graph.path}: no TensorRT engine can be asked for like that: {error}"
        raise GraphError(msg) from error


def require_taken(path: Path) -> tuple[str, ...]:
    """Name the runtimes whose TensorRT takes a file, by every rule of `beltline check`.

    Raises:
        GraphError: Not one of them does; the message holds what is in the way.
    """
    checked = check_file(path, RUNTIMES["jetpack6.2"])
    takers = tuple(name for name, takes in checked.taken_by.items() if takes)
    if takers:
        return takers
    refused = [each for each in checked.findings if each.level == "refused"]
    findings = "; ".join(f"{each.node}: {each.seen} [{each.rule}] {each.way_out}" for each in refused[:_SHOWN])
    more = f"; and {len(refused) - _SHOWN} more (beltline check lists them)" if len(refused) > _SHOWN else ""
    msg = f"{path}: no TensorRT takes it: {findings}{more}"
    raise GraphError(msg)
