"""A recipe as the command line of `trtexec`, for those who would rather build the engine by hand."""

from __future__ import annotations

from collections.abc import Sequence

from .recipe import BuildRecipe


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
    words = ["trtexec", f"--onnx={onnx}", f"--saveEngine={engine}", "--stronglyTyped", "--noTF32"]
    words += [f"--memPoolSize=workspace:{recipe.workspace_mib}M", f"--timingCacheFile={timing}"]
    words.append(f"--builderOptimizationLevel={recipe.optimization_level}")
    if recipe.sparse_weights:
        words.append("--sparsity=enable")
    if recipe.dla_core is not None:
        words += [f"--useDLACore={recipe.dla_core}", "--allowGPUFallback"]
    if recipe.frames.fixed:
        words.append("--useCudaGraph")
    if recipe.size_left_open:
        shapes = zip(("min", "opt", "max"), recipe.frames.shapes(), strict=True)
        words += [f"--{name}Shapes=frame:{_shape(shape)}" for name, shape in shapes]
    return tuple(words)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)
