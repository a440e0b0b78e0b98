"""The engine of an artifact on this machine: the one that is kept, or a new one."""

from __future__ import annotations

from typing import Any

from ..contracts import Artifact
from .building import build_engine
from .engine_store import find_engine, keep_engine, keep_timing, maker_here, read_timing, stores_of
from .listening import Tell, said
from .presence import gpu
from .recipe import read_recipe


def engine_for(trt: Any, artifact: Artifact, *, notify: Tell) -> bytes:
    """Give an artifact's engine for this TensorRT and GPU; built where it is not there, or something has changed.

    Args:
        trt: The module `tensorrt`.
        artifact: ONNX and recipe, intact.
        notify: Told when an engine is built, how far that is, and what came of it.

    Raises:
        GraphError: TensorRT does not take the model.
    """
    stores, maker = stores_of(artifact), maker_here(trt.__version__, gpu())
    kept = find_engine(stores, artifact, maker)
    if kept is not None:
        return kept
    recipe = read_recipe(artifact.path.with_suffix(".json"))
    notify(f"building the engine of {artifact.path.name} for {maker.words}: takes minutes on a small device")
    timing = read_timing(stores, maker)
    built = build_engine(trt, artifact.path, recipe, timing=timing, notify=notify)
    keep_timing(stores, maker, built.timing)
    path = keep_engine(stores, artifact, maker, built.engine)
    kept_words = (
        f"kept as {path}" if path else f"not kept, since neither of {', '.join(map(str, stores))} can be written"
    )
    notify(f"engine built in {built.seconds:.0f} s ({len(built.engine):,} bytes), {kept_words}")
    if built.warnings:
        notify(f"TensorRT warns: {said(list(built.warnings))}")
    return built.engine
