"""A bundle for a device whose engine can only be built there: `beltline bundle --for jetson-orin-nano`.

The row was judged here, on ONNX Runtime; the bundle carries it twice, as ONNX Runtime runs it (which is what the golden
scores are of) and as ONNX with a build recipe. `install` on the device builds, compares decisions and measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from ...export.bundles.golden import ROUNDING, Golden
from ...export.bundles.reading import open_bundle
from ...export.bundles.writing import BundleModel
from ...export.contracts import Precision
from ...export.graph_file import open_graph
from ...export.tensor_rt.freezing import NAME, RecipeOptions, freeze, require_taken
from ...export.tensor_rt.recipe import WORKSPACE_MIB, FrameRange, read_recipe, trtexec_command
from ...inspection.base.errors import BundleError
from ...inspection.data.dataset import Dataset
from ...targets.profile import profile_of
from ...targets.target import Target

MARGIN: MappingProxyType[Precision, float] = MappingProxyType({"fp32": 1e-3, "fp16": 1e-2, "int8": 2e-2})
"""How near to the threshold a golden frame may lie that another runtime has to decide alike.

Chosen, not measured: sums in another order for fp32; some units of fp16's 11 bits; two of int8's 127 levels.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions:
    """What the user wants built on a device.

    Attributes:
        profile: Name of a device profile whose runtimes TensorRT is one of.
        workspace_mib: Scratch memory for a layer, at most.
        dla_core: Deep learning accelerator to use; None: the GPU only.
    """

    profile: str
    workspace_mib: int = WORKSPACE_MIB
    dla_core: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceModel:
    """A row in the form that travels.

    Attributes:
        model: As it stands in the bundle.
        runtimes: JetPacks whose TensorRT takes it.
    """

    model: BundleModel
    runtimes: tuple[str, ...]

    @property
    def caution(self) -> str:
        """What every reader must know."""
        return (
            f"{self.model.row} on {NAME} was neither run nor measured before this bundle was made: its golden scores "
            "are those of ONNX Runtime, and `beltline install` builds the engine on the device, compares decisions and "
            f"measures before it may work; by the rules of `beltline check` it is taken by {', '.join(self.runtimes)}"
        )


def device_model(model: BundleModel, options: DeviceOptions, dataset: Dataset, folder: Path) -> DeviceModel:
    """Freeze a row for a device.

    Args:
        model: The row, as it runs on ONNX Runtime.
        options: What the user wants.
        dataset: The line's; sizes of its frames are those that the engine takes.
        folder: Existing, empty; outlives the bundle's writing.

    Raises:
        BundleError: The row is no ONNX file, or the device has no TensorRT.
        GraphError: No TensorRT takes it.
    """
    profile = profile_of(options.profile)
    if NAME not in (profile.backends or ()):
        suited = ", ".join(profile.backends or ("all",))
        msg = f"--for: wanted a device that runs {NAME}, got {options.profile} (it runs {suited}); bundle without --for"
        raise BundleError(msg)
    if model.artifact.path.suffix != ".onnx" or model.artifact.backend == NAME:
        msg = (
            f"row {model.row}: wanted one that runs on onnx_runtime, got {model.artifact.backend}: a Jetson takes "
            "ONNX; write `backend: onnx_runtime` in its recipe (and `quantize: {scheme: tensor_rt}` for int8)"
        )
        raise BundleError(msg)
    graph = open_graph(model.artifact.path)
    target = Target(name=profile.name, threads=1, cpus=(0,))
    asked = RecipeOptions(
        frames=frames_of_line(dataset), workspace_mib=options.workspace_mib, dla_core=options.dla_core
    )
    artifact = freeze(graph, target, folder, options=asked)
    frozen = BundleModel(
        row=model.row, artifact=artifact, threshold=model.threshold, verdict="inconclusive", relies_on=(), runtime={}
    )
    return DeviceModel(model=frozen, runtimes=require_taken(artifact.path))


def trtexec_of(path: Path) -> str | None:
    """Give the command that builds a bundle's engine by hand; None: it holds no model for TensorRT.

    Raises:
        BundleError: The bundle is damaged.
    """
    with open_bundle(path) as bundle, TemporaryDirectory(prefix="beltline-") as folder:
        if all(model.backend != NAME for model in bundle.manifest.models):
            return None
        bundle.unpack(Path(folder))
        recipe = read_recipe(Path(folder) / "models" / NAME / "model.json")
    return " ".join(trtexec_command(recipe))


def frames_of_line(dataset: Dataset) -> FrameRange:
    """Give the sizes of a line's frames; the usual one is that of most of them."""
    sizes = [(sample.height, sample.width) for sample in dataset.samples]
    usual = max(sorted(set(sizes)), key=sizes.count)
    return FrameRange(
        least=(min(height for height, _ in sizes), min(width for _, width in sizes)),
        usual=usual,
        most=(max(height for height, _ in sizes), max(width for _, width in sizes)),
        channels=3 if dataset.channels == 3 else 1,
    )


def golden_there(golden: Golden, reference: BundleModel, there: Sequence[DeviceModel]) -> Golden:
    """Expect of the models that are built elsewhere what was decided here, with the same scores."""
    backend = reference.artifact.backend
    built = [each.model.artifact.backend for each in there]
    return Golden(
        frames=golden.frames,
        scores={**golden.scores, **dict.fromkeys(built, golden.scores[backend])},
        rejects={**golden.rejects, **dict.fromkeys(built, golden.rejects[backend])},
    )


def margin_for(there: Sequence[DeviceModel]) -> float:
    """Give how near to the threshold golden frames may lie: as near as rounding allows where all was measured here."""
    return max((MARGIN[each.model.artifact.precision] for each in there), default=ROUNDING)
