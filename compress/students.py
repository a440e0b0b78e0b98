"""Students: new, smaller networks that learn from labels and teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .devices import torch_device
from .families import build_network
from .fit_settings import FitSettings
from .inspector import Inspector
from .losses import Batch, label_loss, teacher_loss
from .methods.distill import DistillStep, DistillWeights
from .recipe import ModuleContext
from .training import History, Job, Loss, fit


def train_student(source: Path, step: DistillStep, context: ModuleContext) -> History:
    """Train a student and write its checkpoint; see `methods.distill.DistillStep`."""
    torch.manual_seed(context.seed)
    parent = load_checkpoint(source)
    frame = parent.frame
    if step.input_size is not None:
        frame = replace(frame, height=step.input_size[0], width=step.input_size[1])
    inspector = Inspector(build_network(step.network, frame.channels), frame)
    history = fit_with_teacher("distill", inspector, step.fit, step.teacher, context)
    line = f"distill {step.network['family']} epoch {history.best_epoch} val AUROC {history.best_auroc:.4f}"
    save_checkpoint(
        context.target_file,
        Checkpoint(network=step.network, frame=frame, lineage=(*parent.lineage, line), inspector=inspector),
    )
    return history


def fit_with_teacher(
    name: str, inspector: Inspector, settings: FitSettings, weights: DistillWeights, context: ModuleContext
) -> History:
    """Train any inspector on the labels and on the teacher's word about the same views."""
    device = torch_device(context.device)
    return fit(
        Job(
            name=name,
            inspector=inspector,
            dataset=context.dataset,
            settings=settings,
            loss=_taught(context.teacher, inspector, weights, device),
            device=device,
            seed=context.seed,
            partial=context.partial,
            progress=context.progress,
        )
    )


def _taught(teacher_file: Path, student: Inspector, weights: DistillWeights, device: torch.device) -> Loss:
    if weights.score == weights.heatmap == 0:
        return label_loss
    teacher = load_checkpoint(teacher_file).inspector.to(device).to(memory_format=torch.channels_last).eval()
    ratio = teacher.scale / student.scale.cpu().to(device)
    offset = teacher.shift - student.shift.cpu().to(device) * ratio
    stretch = (teacher.frame.height / student.frame.height, teacher.frame.width / student.frame.width)

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        with torch.inference_mode():
            pixels = batch.pixels * ratio + offset
            if stretch != (1.0, 1.0):
                size = [
                    max(32, 32 * round(edge * by / 32)) for edge, by in zip(pixels.shape[-2:], stretch, strict=True)
                ]
                pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
            seen = teacher.network(pixels).float()
        return label_loss(logits, batch) + teacher_loss(logits, seen.clone(), weights)

    return loss
