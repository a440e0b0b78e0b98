"""Bring your own teacher: any torch module with a state dict becomes an inspector."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...inspection.base.errors import LineFileError, WeightsError
from ...inspection.data.dataset import Dataset
from ..checkpoint import Checkpoint, read_tensors
from ..networks.base.families import build_network, normal_network
from ..networks.base.inspector import Inspector
from ..training.scores import batch_scores
from .frames import frame_spec
from .settings import OutputKind, TeacherSettings

_CALIBRATED_ON = 256


class AdaptedNetwork(nn.Module):
    """The user's module with its output brought to a logit map of at least 3 x 3 cells.

    Attributes:
        inner: The user's module, batch first.
        gain: Scale of an anomaly map; 1 otherwise.
        offset: Anomaly that is called neither good nor defective; 0 otherwise.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, inner: nn.Module, output: OutputKind) -> None:
        super().__init__()
        self.inner = inner
        self.output = output
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, rows, columns]` of normalised frames `[N, channels, h, w]`."""
        raw: Tensor = self.inner(pixels)
        if self.output == "class_logits":
            logit = torch.logsumexp(raw[:, 1:], dim=1) - raw[:, 0]
            return logit.view(-1, 1, 1, 1).expand(-1, 1, 3, 3)
        return (raw - self.offset) * self.gain


def bring_teacher(settings: TeacherSettings, dataset: Dataset) -> Checkpoint:
    """Build the user's module, fill in its weights, and make a checkpoint of it.

    Raises:
        LineFileError: The factory cannot be found or does not give a module.
        WeightsError: The weights cannot be read or do not fit, or the output is not what `output` says.
    """
    network = normal_network(
        {
            "family": "factory",
            "factory": settings.factory,
            "output": settings.output,
            "folder": str(settings.folder.resolve()),
        }
    )
    frame = frame_spec(dataset, settings.input_size)
    adapted = build_network(network, frame.channels)
    if not isinstance(adapted, AdaptedNetwork) or settings.weights is None:
        msg = "bring_teacher needs settings with factory and weights"
        raise TypeError(msg)
    _fill(adapted.inner, settings.weights)
    inspector = Inspector(adapted, frame).eval()
    _check_output(inspector, settings)
    if settings.output == "anomaly_map":
        _calibrate(adapted, inspector, dataset)
    lineage = (f"teacher brought along: {settings.factory} with {settings.weights.name}",)
    return Checkpoint(network=network, frame=frame, lineage=lineage, inspector=inspector)


def made_by(factory: str, folder: Path) -> nn.Module:
    """Import and call `module:function`, looking into `folder` first.

    Raises:
        LineFileError: Nothing there, or it gives something else than a module.
    """
    module_name, function = factory.split(":")
    try:
        with _importing_from(folder):
            made = getattr(import_module(module_name), function)()
    except (ImportError, AttributeError, SyntaxError, TypeError) as error:
        msg = f"teacher: factory {factory!r} cannot be loaded from {folder}: {error}; write it as module:function"
        raise LineFileError(msg) from error
    if not isinstance(made, nn.Module):
        msg = f"teacher: factory {factory!r} must return a torch.nn.Module, got {type(made).__name__}"
        raise LineFileError(msg)
    return made


def check_channels(checkpoint: Checkpoint, dataset: Dataset, path: Path | None) -> None:
    """Refuse a teacher for another kind of frames.

    Raises:
        WeightsError: The number of channels differs.
    """
    if checkpoint.frame.channels != dataset.channels:
        msg = (
            f"{path}: the teacher takes {checkpoint.frame.channels} channels, the frames have {dataset.channels}; "
            f"write data.channels: {checkpoint.frame.channels}"
        )
        raise WeightsError(msg)


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)


def _fill(module: nn.Module, weights: Path) -> None:
    try:
        module.load_state_dict(read_tensors(weights))
    except WeightsError:
        raise
    except (RuntimeError, ValueError, TypeError, AttributeError, EOFError) as error:
        msg = f"{weights}: does not fit the factory's module: {str(error).strip().splitlines()[-1].strip()}"
        raise WeightsError(msg) from error


@torch.inference_mode()
def _check_output(inspector: Inspector, settings: TeacherSettings) -> None:
    frame = inspector.frame
    wanted = "[1, 1, rows >= 3, columns >= 3]"
    try:
        logits = inspector.network(torch.zeros(1, frame.channels, frame.height, frame.width))
    except (RuntimeError, IndexError, TypeError, AttributeError) as error:
        msg = f"teacher: {settings.factory} fails on a frame, or its output is no {settings.output}: {error}"
        raise WeightsError(msg) from error
    if not isinstance(logits, Tensor) or logits.ndim != 4 or logits.shape[:2] != (1, 1) or min(logits.shape[2:]) < 3:
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        msg = f"teacher: {settings.factory} with output {settings.output} must give {wanted}, got {got}"
        raise WeightsError(msg)


def _calibrate(adapted: AdaptedNetwork, inspector: Inspector, dataset: Dataset) -> None:
    """Bring anomaly scores to logits: good training frames lie at -4 on average, two deviations above it at -2."""
    good = [sample for sample in dataset.of("train") if not sample.defective][:_CALIBRATED_ON]
    scores = batch_scores(inspector, dataset, good, torch.device("cpu"))
    spread = max(float(np.std(scores)), 1e-6)
    adapted.gain.fill_(1.0 / spread)
    adapted.offset.fill_(float(np.mean(scores)) + 4.0 * spread)
