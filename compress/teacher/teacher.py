"""The teacher: trained here, or taken as it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...inspection.base.errors import LineFileError, WeightsError
from ...inspection.data.dataset import Dataset
from ...inspection.data.frame import MOST_KINDS
from ..checkpoint import Checkpoint, load_checkpoint, read_header, save_checkpoint
from ..networks.base.families import build_network, origin_of_network, with_moments
from ..networks.base.inspector import Inspector
from ..recipe import Progress
from ..training.devices import torch_device
from ..training.loop import History, Job, fit
from ..training.losses import label_loss
from .frames import frame_spec, with_camera
from .settings import TeacherSettings


def train_teacher(
    settings: TeacherSettings, dataset: Dataset, target_file: Path, *, partial: Path, seed: int, progress: Progress
) -> History:
    """Train a teacher from its settings and write its checkpoint.

    Args:
        settings: With `network`; neither `weights` nor `onnx`.
        dataset: Train and val are read.
        target_file: Checkpoint to write.
        partial: Folder that outlives a killed run.
        seed: Of everything random.
        progress: Called after every step.

    Returns:
        How training went.

    Raises:
        LineFileError: The network is to judge the frame as a whole and has no pretrained backbone.
    """
    import torch

    from ..networks.base.pyramid import learned_part
    from .whole_frame import with_whole_frame

    torch.manual_seed(seed)
    measured = frame_spec(dataset, settings.input_size)
    origin = origin_of_network(settings.network, measured.channels)
    frame = replace(with_moments(measured, origin), kinds=_kinds_of(dataset) if settings.kinds else ())
    network = settings.network
    judges_whole = bool(network.get("whole_frame")) and not frame.kinds
    if judges_whole and origin is None:
        msg = "teacher.network: whole_frame judges by what a backbone learned elsewhere; write pretrained: true too"
        raise LineFileError(msg)
    local = {**network, "whole_frame": False} if network.get("whole_frame") else network
    inspector = Inspector(build_network(local, frame.planes, kinds=len(frame.kinds)), frame)
    teacher = Checkpoint(network=local, frame=frame, lineage=(), inspector=inspector)
    job = Job(
        name="teacher",
        inspector=inspector,
        dataset=dataset,
        settings=settings.fit,
        loss=label_loss,
        device=torch_device(settings.device),
        seed=seed,
        partial=partial,
        progress=progress,
        learned=learned_part(inspector.network, origin),
        as_checkpoint=lambda: teacher,
    )
    history = fit(job)
    trained: tuple[str, ...] = (
        f"teacher {settings.network['family']} epoch {history.best_epoch} val AUROC {history.best_auroc:.4f}",
    )
    if judges_whole:
        judged = with_whole_frame(inspector, network, dataset, job.device, progress)
        teacher = replace(teacher, inspector=judged.inspector, network=judged.network)
        trained = (*trained, judged.line)
    lineage = trained if origin is None else (origin.line, *trained)
    save_checkpoint(target_file, replace(teacher, lineage=lineage))
    return history


def take_teacher(
    settings: TeacherSettings,
    dataset: Dataset,
    target_file: Path,
    *,
    learns: bool,
    notify: Callable[[str], None],
) -> None:
    """Take a finished teacher: one of our checkpoints, or a factory's module with its state dict.

    Args:
        settings: With `weights`.
        dataset: Its train split is looked at.
        target_file: Checkpoint to write.
        learns: Whether a step of the recipes will train the network.
        notify: Called with what is to be known of a factory's module.

    Raises:
        WeightsError: The weights cannot be read, do not fit, take another number of channels than the frames have, or
            are a checkpoint that would run code which line.yaml does not name.
    """
    from .bring import bring_teacher, check_channels

    if settings.weights is None:
        msg = "take_teacher needs settings with weights"
        raise TypeError(msg)
    own = settings.factory is None
    if own:
        _refuse_code(settings.weights)
    checkpoint = (
        load_checkpoint(settings.weights) if own else bring_teacher(settings, dataset, learns=learns, notify=notify)
    )
    check_channels(checkpoint, dataset, settings.weights)
    if checkpoint.frame.tiles != dataset.camera.tiles:
        msg = (
            f"{settings.weights}: it was trained for tiles {checkpoint.frame.tiles}, camera.tiles is "
            f"{dataset.camera.tiles}; write the same, or train it again"
        )
        raise WeightsError(msg)
    save_checkpoint(target_file, replace(checkpoint, frame=with_camera(checkpoint.frame, dataset)))


def _kinds_of(dataset: Dataset) -> tuple[str, ...]:
    """Give the kinds of defect that a network can learn to tell apart.

    Raises:
        LineFileError: There are not several, or more than a network tells apart.
    """
    kinds = tuple(sorted({kind for sample in dataset.of("train") for kind in sample.kinds}))
    if not 2 <= len(kinds) <= MOST_KINDS:
        msg = (
            f"teacher.kinds: wanted 2 to {MOST_KINDS} kinds of defect in train, got {len(kinds)} "
            f"({', '.join(kinds[:5])}); leave kinds out, or label the kinds apart"
        )
        raise LineFileError(msg)
    return kinds


def _refuse_code(weights: Path) -> None:
    """Refuse a checkpoint whose header names a factory: a file that somebody sent must not choose what is run."""
    network = read_header(weights).get("network")
    if isinstance(network, dict) and network.get("family") == "factory":
        msg = (
            f"{weights}: this checkpoint names code of its own ({network.get('factory')!r:.80}), which is never run; "
            "give the state dict it was made from as teacher.weights, and the code as teacher.factory"
        )
        raise WeightsError(msg)
