"""ONNX files as the tools that people use write them: exporters, quantizers, converters, and Beltline itself."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compress.checkpoint import Checkpoint, save_checkpoint
from ...compress.networks.base.families import build_network, normal_network
from ...compress.recipe import GraphContext, methods
from ...export.contracts import Frame
from ...export.device_check.repair import repair_file
from ...export.to_onnx import export_graph
from ...inspection.data.frame import FrameSpec
from ...targets.fingerprint import fingerprint, weight_bits

if TYPE_CHECKING:
    from torch import nn

_EDGE = 64
_FRAMES = 8
_SPEC = FrameSpec(
    height=_EDGE, width=_EDGE, channels=1, mean=(0.5,), std=(0.25,), frame_height=_EDGE, frame_width=_EDGE
)


@dataclass(frozen=True)
class Workshop:
    """Makes each file in a folder of its own; weights are random, what is checked does not hang on them.

    Attributes:
        folder: Existing and empty.
    """

    folder: Path

    @cached_property
    def classifier(self) -> Path:
        """A small residual network from torch's exporter: what the tools below start from."""
        return self.exported(_residual_network())

    @cached_property
    def inspector(self) -> Path:
        """Beltline's own plain network, exported with its pre-processing."""
        import torch

        from ...compress.networks.base.inspector import Inspector

        torch.manual_seed(0)
        network = normal_network({"family": "plain", "width": 16, "depth": 1})
        inspector = Inspector(build_network(network, 1), _SPEC).eval()
        path = self.folder / "inspector.safetensors"
        save_checkpoint(path, Checkpoint(network=network, frame=_SPEC, lineage=("untrained",), inspector=inspector))
        return export_graph(path, self.new("inspector").parent).path

    def new(self, name: str) -> Path:
        """Give a path for a file in a new folder."""
        folder = self.folder / name
        folder.mkdir()
        return folder / "model.onnx"

    def exported(self, model: nn.Module, *, old: bool = False, **options: Any) -> Path:
        """Export a torch module that takes `[1, 3, 64, 64]`, by torch's exporter or its old one."""
        import torch

        path = self.new(f"exported{len(list(self.folder.iterdir()))}")
        example = (torch.zeros(1, 3, _EDGE, _EDGE),)
        how: dict[str, Any] = {"dynamo": True, "external_data": False, "verbose": False}
        torch.onnx.export(model, example, str(path), **({"dynamo": False} if old else how), **options)
        return path

    def step(self, name: str, source: Path, method: str, **settings: Any) -> Path:
        """Apply one of Beltline's own graph steps to the inspector."""
        target = self.new(name)
        context = GraphContext(
            target_file=target,
            calibration=_frames,
            calibration_count=_FRAMES,
            backend="onnx_runtime",
            progress=lambda *_: None,
            weight_bits=weight_bits(fingerprint(())),
        )
        chosen = methods()[method]
        chosen.apply(source, chosen.step_type.model_validate(settings), context)
        return target


def producers() -> Mapping[str, Callable[[Workshop], Path]]:
    """Give a function for each file, by the name of what made it."""
    return {
        "torch.onnx.export": lambda shop: shop.classifier,
        "torch.onnx.export, opset 21": lambda shop: shop.exported(_residual_network(), opset_version=21),
        "torch's old exporter": lambda shop: shop.exported(_residual_network().eval(), old=True, opset_version=17),
        "torch's old exporter, in training mode": _exported_in_training_mode,
        "timm mobilenetv3_small_050": lambda shop: shop.exported(_timm("mobilenetv3_small_050")),
        "timm vit_tiny": lambda shop: shop.exported(_timm("vit_tiny_patch16_224", img_size=_EDGE)),
        "onnxruntime quantize_static": lambda shop: _quantized(shop, "static"),
        "onnxruntime quantize_static, QOperator": lambda shop: _quantized(shop, "operators"),
        "onnxruntime quantize_dynamic": lambda shop: _quantized(shop, "dynamic"),
        "onnxruntime float16 converter": _converted_to_float16,
        "NNCF on ONNX": _by_nncf,
        "NNCF on ONNX, then beltline check --repair": _repaired,
        "Beltline, float32": lambda shop: shop.inspector,
        "Beltline, quantize: {scheme: onnx_runtime}": lambda shop: shop.step(
            "ort", shop.inspector, "quantize", scheme="onnx_runtime"
        ),
        "Beltline, quantize: {scheme: tensor_rt}": lambda shop: shop.step(
            "trt", shop.inspector, "quantize", scheme="tensor_rt"
        ),
        "Beltline, half": lambda shop: shop.step("half", shop.inspector, "half"),
        "Beltline, quantize: {scheme: tensor_rt}, half": _both,
    }


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what third parties print and warn of to themselves."""
    aside = io.StringIO()
    with contextlib.redirect_stdout(aside), contextlib.redirect_stderr(aside), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _frames() -> Iterator[Frame]:
    random = np.random.default_rng(0)
    for _ in range(_FRAMES):
        yield random.integers(0, 256, (_EDGE, _EDGE, 1)).astype(np.uint8)


def _pictures() -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(0)
    for _ in range(_FRAMES):
        yield {"x": random.normal(size=(1, 3, _EDGE, _EDGE)).astype(np.float32)}


def _residual_network() -> nn.Module:
    """Stem, one residual block, a classifier: what every guide to quantization shows."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
            self.block = nn.Sequential(
                nn.Conv2d(16, 16, 3, 1, 1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, 1, 1, bias=False),
                nn.BatchNorm2d(16),
            )
            self.last = nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            features = self.stem(x)
            features = torch.relu(features + self.block(features))
            return torch.Tensor(self.last(features.mean(dim=(2, 3))))

    torch.manual_seed(0)
    return Network().eval()


def _timm(name: str, **options: Any) -> nn.Module:
    import timm
    import torch

    torch.manual_seed(0)
    made: nn.Module = timm.create_model(name, pretrained=False, **options).eval()
    return made


def _exported_in_training_mode(shop: Workshop) -> Path:
    import torch

    model = _residual_network().train()
    mode = torch.onnx.TrainingMode.TRAINING
    return shop.exported(model, old=True, opset_version=17, training=mode, do_constant_folding=False)


def _quantized(shop: Workshop, how: str) -> Path:
    """Quantize with the functions' defaults."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._pictures = _pictures()

        def get_next(self) -> dict[str, Any] | None:
            return next(self._pictures, None)

    target = shop.new(f"ort_{how}")
    if how == "dynamic":  # it trips over the shapes that torch's present exporter writes
        quantize_dynamic(shop.exported(_residual_network(), old=True, opset_version=17), target)
    else:
        form = {"static": QuantFormat.QDQ, "operators": QuantFormat.QOperator}[how]
        quantize_static(shop.classifier, target, Reader(), quant_format=form)
    return target


def _converted_to_float16(shop: Workshop) -> Path:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    target = shop.new("ort_float16")
    onnx.save(convert_float_to_float16(onnx.load(shop.classifier), keep_io_types=True), target)
    return target


def _by_nncf(shop: Workshop) -> Path:
    import nncf
    import onnx

    target = shop.new("nncf")
    onnx.save(nncf.quantize(onnx.load(shop.classifier), nncf.Dataset(list(_pictures()))), target)
    return target


def _repaired(shop: Workshop) -> Path:
    target = shop.new("repaired")
    repair_file(shop.folder / "nncf" / "model.onnx", target)
    return target


def _both(shop: Workshop) -> Path:
    return shop.step("trt_half", shop.folder / "trt" / "model.onnx", "half")
