"""Students: new, smaller networks that learn from labels and teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ...checkpoint import Checkpoint, load_checkpoint, read_header, require_reads_back, save_checkpoint
from ...networks.base.families import build_network, origin_of_network, with_moments
from ...networks.base.inspector import Inspector
from ...networks.base.pyramid import learned_part
from ...recipe import ModuleContext
from ...training.devices import torch_device
from ...training.fit_settings import FitSettings
from ...training.loop import History, Job, fit
from ...training.sampling import with_stand_ins
from ...training.teacher_terms import DistillWeights
from ...training.teaching import taught
from .settings import DistillStep


def train_student(source: Path, step: DistillStep, context: ModuleContext) -> History:
    """Train a student and write its checkpoint; see `methods.distill.DistillStep`.

    Raises:
        RecipeError: The loss is no longer a number, or teacher and student have no feature maps in common.
    """
    torch.manual_seed(context.seed)
    parent = load_checkpoint(source)
    origin = origin_of_network(step.network, parent.frame.channels)
    frame = with_moments(parent.frame, origin)
    if step.input_size is not None:
        frame = frame.of_size(*step.input_size)
    inspector = Inspector(build_network(step.network, frame.planes, kinds=len(frame.kinds)), frame)
    student = Checkpoint(network=step.network, frame=frame, lineage=parent.lineage, inspector=inspector)
    require_reads_back(student, "distill")
    history = fit_with_teacher(
        "distill",
        inspector,
        step.fit,
        step.teacher,
        context,
        learned=learned_part(inspector.network, origin),
        as_checkpoint=lambda: student,
    )
    line = f"distill {step.network['family']} epoch {history.best_epoch} {history.best()}"
    start = () if origin is None else (origin.line,)
    line += _assistant(context.teacher, parent)
    save_checkpoint(context.target_file, replace(student, lineage=(*parent.lineage, *start, line)))
    return history


def _assistant(teacher_file: Path, teacher: Checkpoint) -> str:
    """Say who taught, where it was not the teacher itself."""
    lineage = tuple(read_header(teacher_file)["lineage"])
    made_by = lineage[len(teacher.lineage) :] if lineage[: len(teacher.lineage)] == teacher.lineage else lineage
    return f", taught by the teacher's assistant ({'; '.join(made_by)})" if made_by else ""


def fit_with_teacher(
    name: str,
    inspector: Inspector,
    settings: FitSettings,
    weights: DistillWeights,
    context: ModuleContext,
    *,
    as_checkpoint: Callable[[], Checkpoint],
    learned: nn.Module | None = None,
) -> History:
    """Train any inspector on the labels and on the teacher's word about the same views.

    Args:
        name: The step's, for messages and progress.
        inspector: Changed in place.
        settings: How it is trained.
        weights: Of the teacher's terms.
        context: Data, teacher, device, seed, and where the state is kept.
        as_checkpoint: Gives the checkpoint that the inspector's weights make; see `training.Job`.
        learned: The part of its network whose weights were learned elsewhere; see `training.Job`.

    Raises:
        RecipeError: The loss is no longer a number, or teacher and student have no feature maps in common.
    """
    device = torch_device(context.device)
    dataset, settings = with_stand_ins(context.dataset, settings)
    with taught(name, context.teacher, inspector, weights, device) as (loss, alongside):
        return fit(
            Job(
                name=name,
                inspector=inspector,
                dataset=dataset,
                settings=settings,
                loss=loss,
                device=device,
                seed=context.seed,
                partial=context.partial,
                progress=context.progress,
                learned=learned,
                alongside=alongside,
                as_checkpoint=as_checkpoint,
            )
        )
