"""A trained inspector in one safetensors file: weights, and in the header how to rebuild the network around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inspection.base.errors import MissingPartError, RecipeError, WeightsError
from ..inspection.base.packages import missing_package
from ..inspection.base.storage import write_bytes
from ..inspection.data.frame import FrameSpec
from .networks.base.families import build_network
from .state_dicts import read_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .networks.base.inspector import Inspector

FORMAT = 1
_KEY = "beltline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained inspector with its history.

    Attributes:
        network: Description for `families.build_network`; pruned widths are read off the tensors.
        frame: How it treats camera frames.
        lineage: One line per step that made it, oldest first.
        inspector: The module, in evaluation mode, float32, on the CPU.
    """

    network: dict[str, Any]
    frame: FrameSpec
    lineage: tuple[str, ...]
    inspector: Inspector

    @property
    def parameters(self) -> int:
        """How many learned numbers it has."""
        return sum(parameter.numel() for parameter in self.inspector.parameters())


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: Ends in `.safetensors`.
        checkpoint: What to write.
        half: Store float16 (for keeping a teacher in a repository); reading gives float32 again.
    """
    from safetensors.torch import save

    header = {
        "format": FORMAT,
        "network": checkpoint.network,
        "frame": checkpoint.frame.to_json(),
        "lineage": list(checkpoint.lineage),
    }
    tensors = _stored(checkpoint.inspector.state_dict(), half=half)
    write_bytes(path, save(tensors, {_KEY: json.dumps(header, sort_keys=True)}))


def keep_in_half(source: Path, target: Path) -> None:
    """Write a checkpoint once more in float16: half the size, for keeping beside a line file."""
    save_checkpoint(target, load_checkpoint(source), half=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote; no code in the file is ever run, except a `factory` that it names.

    Raises:
        WeightsError: Not a checkpoint of ours, damaged, of another format, or its weights do not fit its network.
        MissingPartError: torch is not installed.
    """
    if (missing := missing_package("torch", "train")) is not None:
        raise MissingPartError(missing)
    header, tensors = _read(path)
    try:
        network, frame = dict(header["network"]), FrameSpec.from_json(header["frame"])
        lineage = tuple(str(line) for line in header["lineage"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path}: the header is damaged or lacks {error}; write it again with `beltline train`"
        raise WeightsError(msg) from error
    built = build_network(_untrained(network), frame.planes, kinds=len(frame.kinds))
    inspector = _filled(built, frame, tensors, path)
    return Checkpoint(network=network, frame=frame, lineage=lineage, inspector=inspector)


def read_header(path: Path) -> dict[str, Any]:
    """Read only the description of a checkpoint; needs no torch.

    Raises:
        WeightsError: Not a checkpoint of ours.
    """
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            text = stream.read(size) if size < 100_000_000 else b""
        header = json.loads(json.loads(text)["__metadata__"][_KEY])
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise WeightsError(msg) from error
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: not a Beltline checkpoint (a .safetensors file with a `{_KEY}` header)"
        raise WeightsError(msg) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        msg = f"{path}: wanted checkpoint format {FORMAT}, got {header!r:.80}; train it again with this version"
        raise WeightsError(msg)
    return header


def fit_shapes(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Shrink a freshly built network to the shapes of pruned weights, in place.

    Layers of torch take their sizes from the tensors: a depthwise convolution stays one, a grouped one keeps its
    groups. Parameters that stand alone (positional embeddings, scales) just take the shape.
    """
    for name, module in network.named_modules():
        prefix = f"{name}." if name else ""
        own = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
        shapes = {
            key: tuple(tensors[prefix + key].shape)
            for key, each in own.items()
            if prefix + key in tensors and tensors[prefix + key].shape != each.shape
        }
        if shapes:
            _take_sizes(module, shapes)
            _take_shapes(module, shapes)


def _take_sizes(module: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Set what a layer says of its own size to what its tensors have."""
    from torch import nn

    first = next(iter(shapes.values()))
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    batch_norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if isinstance(module, convolutions):
        _take_channels(module, shapes.get("weight", tuple(module.weight.shape)))
    elif isinstance(module, nn.Linear) and "weight" in shapes:
        module.out_features, module.in_features = shapes["weight"]
    elif isinstance(module, (*batch_norms, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)):
        module.num_features = first[0]
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = first
    elif isinstance(module, nn.GroupNorm):
        module.num_channels = first[0]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = first[0]
    elif isinstance(module, nn.MultiheadAttention) and "in_proj_weight" in shapes:
        module.embed_dim = module.kdim = module.vdim = shapes["in_proj_weight"][1]
        module.head_dim = module.embed_dim // module.num_heads


def _take_channels(module: Any, shape: tuple[int, ...]) -> None:
    depthwise = module.groups == module.in_channels > 1
    if module.transposed:
        module.groups = shape[0] if depthwise else module.groups
        module.in_channels, module.out_channels = shape[0], shape[1] * module.groups
    else:
        each = module.out_channels // module.in_channels  # outputs of one input, in a depthwise convolution
        module.groups = shape[0] // each if depthwise else module.groups
        module.out_channels, module.in_channels = shape[0], shape[1] * module.groups


def _take_shapes(module: nn.Module, shapes: dict[str, tuple[int, ...]]) -> None:
    import torch
    from torch import nn

    parameters, buffers = dict(module.named_parameters(recurse=False)), dict(module.named_buffers(recurse=False))
    for key, shape in shapes.items():
        if (old := parameters.get(key)) is not None:
            setattr(module, key, nn.Parameter(torch.empty(shape, dtype=old.dtype), requires_grad=old.requires_grad))
        else:
            module.register_buffer(key, torch.zeros(shape, dtype=buffers[key].dtype))


def require_reads_back(checkpoint: Checkpoint, step: str) -> None:
    """Write a network, read it again and compare what both make of one input, before time is spent on training it.

    Args:
        checkpoint: Left as it is.
        step: Name of the method, for the message.

    Raises:
        RecipeError: It cannot be written or read back, or comes back as another network.
    """
    from tempfile import TemporaryDirectory

    import torch

    inspector, frame = checkpoint.inspector, checkpoint.frame
    place = next(inspector.parameters()).device
    pixels = torch.randn(1, frame.planes, frame.height, frame.width, generator=torch.Generator().manual_seed(0))
    training = inspector.training
    try:
        with TemporaryDirectory(prefix="beltline-reads-back-") as folder, torch.no_grad():
            path = Path(folder) / "model.safetensors"
            save_checkpoint(path, checkpoint)
            wanted = inspector.eval().network(pixels.to(place)).cpu()
            found = load_checkpoint(path).inspector.network(pixels)
    except (WeightsError, RuntimeError, ValueError, TypeError, AttributeError, IndexError, AssertionError) as error:
        msg = f"{step}: the network cannot be read back from its file ({error}); drop the step, or take another network"
        raise RecipeError(msg) from error
    finally:
        inspector.train(training)
    if not torch.allclose(found, wanted, rtol=1e-3, atol=1e-4 * (1 + float(wanted.abs().max())), equal_nan=True):
        msg = (
            f"{step}: the network gives other values after it was written and read back (up to "
            f"{float((found - wanted).abs().max()):.3g} off); its factory must build the same network every time"
        )
        raise RecipeError(msg)


def _untrained(network: dict[str, Any]) -> dict[str, Any]:
    """Fetch no ImageNet weights for a network whose own weights are about to be filled in."""
    return {**network, "pretrained": False} if "pretrained" in network else network


def _load(inspector: Inspector, tensors: dict[str, Tensor]) -> None:
    """Fill in weights, with the versions that torch keeps beside a state dict: some modules ask for theirs."""
    from collections import OrderedDict

    state = OrderedDict(tensors)
    state._metadata = inspector.state_dict()._metadata  # type: ignore[attr-defined]  # noqa: SLF001 - torch keeps it there
    inspector.load_state_dict(state)


def _filled(network: nn.Module, frame: FrameSpec, tensors: dict[str, Tensor], path: Path) -> Inspector:
    from .networks.base.inspector import Inspector

    inspector = Inspector(network, frame)
    try:
        fit_shapes(inspector, tensors)
        _load(inspector, tensors)
    except (RuntimeError, AttributeError, IndexError, TypeError, ValueError) as error:
        msg = f"{path}: the weights do not fit their network: {str(error).strip().splitlines()[-1].strip()}"
        raise WeightsError(msg) from error
    return inspector.eval()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    header, tensors = read_header(path), read_tensors(path)
    return header, {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _stored(tensors: Mapping[str, Tensor], *, half: bool) -> dict[str, Tensor]:
    """Bring tensors to what safetensors takes: in one piece, and numbers that two names share written twice."""
    stored: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        each = tensor.detach().cpu().contiguous()
        each = each.half() if half and each.is_floating_point() else each
        place = each.untyped_storage().data_ptr()
        stored[name] = each.clone() if place in places else each
        places.add(place)
    return stored
