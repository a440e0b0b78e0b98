"""Bring your own teacher: any torch module with a state dict becomes an inspector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ...inspection.base.errors import WeightsError
from ...inspection.data.dataset import Dataset
from ..checkpoint import Checkpoint
from ..networks.base.families import build_network, normal_network
from ..networks.base.inspector import Inspector
from ..state_dicts import state_for
from ..training.scores import batch_scores
from .adapter import AdaptedNetwork
from .frames import frame_spec
from .settings import TeacherSettings
from .trying import try_on_frames

_CALIBRATED_ON = 256


def bring_teacher(
    settings: TeacherSettings, dataset: Dataset, *, learns: bool, notify: Callable[[str], None]
) -> Checkpoint:
    """Build the user's module, fill in its weights, try it on real frames, and make a checkpoint of it.

    Args:
        settings: With `factory` and `weights`.
        dataset: Its train split is looked at.
        learns: Whether a step of the recipes will train the module.
        notify: Called with what was left out and what cannot be touched.

    Raises:
        LineFileError: The factory cannot be found, fails, or does not give a module.
        WeightsError: The weights cannot be read or do not fit, the module fails on frames, or its output is not what
            `output` says.
    """
    place = {"factory": settings.factory, "folder": str(settings.folder.resolve())}
    network = normal_network({"family": "factory", **place, **settings.reading.model_dump(mode="json")})
    measured = frame_spec(dataset, settings.input_size)
    mean, std = settings.moments((measured.mean, measured.std))
    frame = replace(measured, mean=mean, std=std)
    adapted = build_network(network, frame.channels)
    if frame.reference:
        msg = (
            "teacher: a factory's module sees frames alone, and data.reference gives references; leave one of them out"
        )
        raise WeightsError(msg)
    if not isinstance(adapted, AdaptedNetwork) or settings.weights is None:
        msg = "bring_teacher needs settings with factory and weights"
        raise TypeError(msg)
    found = state_for(adapted.inner.state_dict(), settings.weights, at=settings.weights_at)
    adapted.inner.load_state_dict(found.tensors)
    inspector = Inspector(adapted, frame).eval()
    tried = try_on_frames(inspector, dataset, name=str(settings.factory), folder=settings.folder, learns=learns)
    for note in (*found.notes, *tried):
        notify(note)
    if settings.output == "anomaly_map":
        _calibrate(adapted, inspector, dataset)
    order = "BGR" if settings.channels == "bgr" else "RGB"
    how = settings.normalisation or "its own mean and std"
    lineage = (f"teacher brought along: {settings.factory} with {settings.weights.name}, normalisation {how}, {order}",)
    return Checkpoint(network=network, frame=frame, lineage=lineage, inspector=inspector)


def check_channels(checkpoint: Checkpoint, dataset: Dataset, path: Path | None) -> None:
    """Refuse a teacher for another kind of frames.

    Raises:
        WeightsError: The number of channels differs.
    """
    if checkpoint.frame.reference != dataset.referenced:
        how = ("compares with a reference", "none is given; write data.reference")
        if dataset.referenced:
            how = ("compares with no reference", "data.reference gives one; leave it out, or take another teacher")
        msg = f"{path}: the teacher {how[0]}, {how[1]}"
        raise WeightsError(msg)
    if checkpoint.frame.channels != dataset.channels:
        msg = (
            f"{path}: the teacher takes {checkpoint.frame.channels} channels, the frames have {dataset.channels}; "
            f"write data.channels: {checkpoint.frame.channels}"
        )
        raise WeightsError(msg)


def _calibrate(adapted: AdaptedNetwork, inspector: Inspector, dataset: Dataset) -> None:
    """Bring anomaly scores to logits: good training frames lie at -4 on average, two deviations above it at -2."""
    good = [sample for sample in dataset.of("train") if not sample.defective][:_CALIBRATED_ON]
    scores = batch_scores(inspector, dataset, good, torch.device("cpu"))
    spread = max(float(np.std(scores)), 1e-6)
    adapted.gain.fill_(1.0 / spread)
    adapted.offset.fill_(float(np.mean(scores)) + 4.0 * spread)
