"""From ONNX and recipe to an engine, the same calls for TensorRT 10.3 to 11.x.

Every network is strongly typed: the types in the ONNX decide, as TensorRT 11 has it throughout. The creation flag for
that is needed up to 10.x and is without effect from 11 on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...inspection.base.errors import GraphError
from .listening import Notify, joined, listen, watch
from .recipe import BuildRecipe

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An engine as it came out of the builder.

    Attributes:
        engine: Its bytes, for this TensorRT on this GPU.
        timing: What the builder measured, for the next build.
        seconds: How long it took.
        warnings: What TensorRT warned of, such as layers that a DLA could not take.
    """

    engine: bytes
    timing: bytes
    seconds: float
    warnings: tuple[str, ...]


def build_engine(trt: Any, onnx: Path, recipe: BuildRecipe, *, timing: bytes, notify: Notify) -> Built:
    """Build an engine; takes minutes on a small device, the first time.

    Args:
        trt: The module `tensorrt`.
        onnx: The model.
        recipe: How.
        timing: `Built.timing` of an earlier build by the same TensorRT on the same GPU; empty: there was none.
        notify: Told how far it is.

    Raises:
        GraphError: TensorRT does not take the model; the message holds every error that its parser gave.
    """
    begin_s = time.monotonic()
    log, monitor = listen(trt), watch(trt, notify)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(trt, network, log, onnx)
    config = _configured(trt, builder, recipe)
    config.progress_monitor = monitor
    _set_timing(config, timing, notify)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        msg = f"{onnx}: TensorRT {trt.__version__} cannot build it: {joined(log.errors)}"
        raise GraphError(msg)
    return Built(
        engine=bytes(engine),
        timing=bytes(config.get_timing_cache().serialize()),
        seconds=time.monotonic() - begin_s,
        warnings=tuple(dict.fromkeys(log.warnings)),
    )


def _parse(trt: Any, network: Any, log: Any, onnx: Path) -> None:
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx.read_bytes()):
        errors = list(_parser_errors(parser)) or log.errors
        msg = f"{onnx}: TensorRT {trt.__version__} does not take it: {'; '.join(errors) or 'it does not say why'}"
        raise GraphError(msg)


def _parser_errors(parser: Any) -> Iterator[str]:
    """Give every error with the node it stands at."""
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        where = f"node {error.node()} ({error.node_name() or 'no name'}, {error.node_operator() or 'no operator'})"
        yield f"{where}: {error.desc()} [{error.code()}]"


def _configured(trt: Any, builder: Any, recipe: BuildRecipe) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace_mib * _MIB)
    config.builder_optimization_level = recipe.optimization_level
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 in the file is meant: TF32 keeps 10 of its 23 bits
    if recipe.sparse_weights:
        config.set_flag(trt.BuilderFlag.SPARSE_WEIGHTS)
    if recipe.dla_core is not None:
        _use_accelerator(trt, builder, config, recipe.dla_core)
    if recipe.size_left_open:
        profile = builder.create_optimization_profile()
        for name, shapes in recipe.inputs().items():
            profile.set_shape(name, *shapes)
        config.add_optimization_profile(profile)
    return config


def _use_accelerator(trt: Any, builder: Any, config: Any, core: int) -> None:
    if core >= builder.num_DLA_cores:
        msg = (
            f"the recipe wants DLA core {core}, TensorRT {trt.__version__} finds {builder.num_DLA_cores} here; "
            "bundle without --dla-core"
        )
        raise GraphError(msg)
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _set_timing(config: Any, timing: bytes, notify: Notify) -> None:
    """Start from what an earlier build measured; what does not fit is left aside, since it would mislead."""
    cache = config.create_timing_cache(timing)
    if cache is None or not config.set_timing_cache(cache, False):
        notify("the timing cache is not of this TensorRT and GPU: starting anew")
        config.set_timing_cache(config.create_timing_cache(b""), False)
