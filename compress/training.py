"""One training loop for teachers, students and pruned networks: resumable after a kill, deterministic under a seed."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..inspection.dataset import Dataset, Sample
from ..inspection.errors import RecipeError
from ..inspection.roc import auroc
from ..inspection.storage import write_bytes
from .fit_settings import FitSettings, ViewSettings
from .inspector import Inspector, score_logits
from .losses import Batch
from .recipe import Progress
from .scores import batch_scores
from .views import View, ViewMaker

Loss = Callable[[Tensor, Batch], Tensor]
"""Logits `[N, 1, rows, columns]` and their batch to a scalar."""

_EMA_DECAY = 0.998


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be trained, and how.

    Attributes:
        name: For messages and progress, such as `teacher` or `distill`.
        inspector: Changed in place; at the end it holds the best epoch's averaged weights, on the CPU.
        dataset: Train and val are read.
        settings: Epochs, rates, views.
        loss: What to minimise.
        device: Where.
        seed: Of everything random.
        partial: Folder for the state that a killed run goes on from, or None.
        progress: Called after every step.
    """

    name: str
    inspector: Inspector
    dataset: Dataset
    settings: FitSettings
    loss: Loss
    device: torch.device
    seed: int
    partial: Path | None
    progress: Progress


@dataclass(slots=True, kw_only=True)
class History:
    """How training went; saved with the state.

    Attributes:
        epoch: Epochs done.
        best_epoch: 1-based; 0 before the first.
        best_auroc: On val, of the averaged weights.
        rows: One `(epoch, mean loss, val AUROC)` per epoch.
        hardness: Running score of each train sample, `[0, 1]`: what looks defective is shown more often.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_auroc: float = -1.0
    rows: list[tuple[int, float, float]] = field(default_factory=list)
    hardness: list[float] = field(default_factory=list)


def fit(job: Job) -> History:
    """Train, keep the best epoch on val, and leave its weights in `job.inspector`.

    Weights are averaged (EMA, Polyak and Juditsky 1992); good frames that look defective are drawn more often.

    Raises:
        RecipeError: The loss is no longer a number.
        StorageError: The state cannot be written.
    """
    torch.manual_seed(job.seed)
    cv2.setNumThreads(1)  # OpenCV's own pool fights torch's for the cores: ten times slower steps on two cores
    trainer = _Trainer(job)
    trainer.resume()
    while trainer.wants_more():
        trainer.epoch()
        trainer.keep()
    return trainer.finish()


class _Trainer:
    """The moving parts of one `fit`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        views = _views_for(job)
        self.samples = _shown(job.dataset.of("train"), views)
        self.val = job.dataset.of("val")
        self.history = History(hardness=[0.5] * len(self.samples))
        self.maker = ViewMaker(
            dataset=job.dataset,
            frame=job.inspector.frame,
            settings=views,
            grounds=tuple(sample for sample in self.samples if not sample.defective),
        )
        self.model = job.inspector.to(job.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model)
        self.best = _state_of(self.model)
        settings = job.settings
        self.steps = max(1, (settings.samples_per_epoch or len(self.samples)) // settings.batch)
        self.optimizer = torch.optim.AdamW(_groups(self.model, settings.weight_decay), lr=settings.learning_rate)
        total = self.steps * settings.epochs + 1
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, settings.learning_rate, total_steps=total, pct_start=0.15, cycle_momentum=False
        )
        self.scaler = torch.amp.GradScaler(enabled=job.device.type == "cuda")

    def wants_more(self) -> bool:
        """Whether another epoch may still help."""
        waited = self.history.epoch - self.history.best_epoch
        return self.history.epoch < self.job.settings.epochs and waited < self.job.settings.patience

    def epoch(self) -> None:
        """Train one epoch and score val."""
        number = self.history.epoch + 1
        total = 0.0
        for step, (chosen, batch) in enumerate(self._batches(number)):
            total += self._step(number, chosen, batch)
            self.job.progress(self._label(number), step + 1, self.steps)
        val_scores = batch_scores(self.average, self.job.dataset, self.val, self.job.device)
        value = auroc(val_scores, np.array([sample.defective for sample in self.val]))
        self.history.epoch = number
        self.history.rows.append((number, total / self.steps, value))
        if value > self.history.best_auroc:
            self.history.best_auroc, self.history.best_epoch = value, number
            self.best = _state_of(self.average)

    def _label(self, number: int) -> str:
        best = f", best val AUROC {self.history.best_auroc:.4f}" if self.history.best_epoch else ""
        return f"epoch {number}/{self.job.settings.epochs}{best}, step"

    def _step(self, number: int, chosen: NDArray[np.int64], batch: Batch) -> float:
        self.model.train()
        with torch.autocast(self.job.device.type, enabled=self.scaler.is_enabled()):
            logits = self.model.network(batch.pixels)
            loss = self.job.loss(logits.float(), batch)
        if not isfinite(value := float(loss.detach())):
            msg = (
                f"{self.job.name}: the loss became {value} in epoch {number}; lower fit.learning_rate "
                f"({self.job.settings.learning_rate:g}) and run again"
            )
            raise RecipeError(msg)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks it
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self._average()
        for index, score in zip(chosen, torch.sigmoid(score_logits(logits.detach().float())).tolist(), strict=True):
            self.history.hardness[index] += 0.5 * (score - self.history.hardness[index])
        return value

    @torch.no_grad()
    def _average(self) -> None:
        done = self.schedule.last_epoch
        decay = min(_EMA_DECAY, (1 + done) / (10 + done))
        for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def _batches(self, number: int) -> Iterator[tuple[NDArray[np.int64], Batch]]:
        order = _draw(self.samples, self.history.hardness, self.steps * self.job.settings.batch, self.job.seed, number)
        chunks = order.reshape(self.steps, self.job.settings.batch)

        def load(step: int) -> list[View]:
            generator = np.random.default_rng([self.job.seed, number, step])
            return [self.maker.view(self.samples[index], generator) for index in chunks[step]]

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(load, 0)
            for step in range(self.steps):
                views = ahead.result()
                if step + 1 < self.steps:
                    ahead = reader.submit(load, step + 1)
                yield chunks[step], self._batch(views)

    def _batch(self, views: list[View]) -> Batch:
        device = self.job.device
        pixels = torch.from_numpy(np.stack([view.pixels for view in views])).permute(0, 3, 1, 2).to(device)
        masks = torch.from_numpy(np.stack([view.mask for view in views])).unsqueeze(1).to(device)
        return Batch(
            pixels=self.model.normalise(pixels.float()).contiguous(memory_format=torch.channels_last),
            masks=masks.float() / 255,
            has_mask=torch.tensor([view.has_mask for view in views], device=device),
            defective=torch.tensor([float(view.defective) for view in views], device=device),
            certain=torch.tensor([float(view.certain) for view in views], device=device),
        )

    def resume(self) -> None:
        """Go on from the state that a killed run left, if there is one."""
        if self.job.partial is None or not (path := self.job.partial / "state.pt").exists():
            return
        state: dict[str, Any] = torch.load(path, map_location=self.job.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if state["scaler"]:  # empty where the killed run was on the CPU
            self.scaler.load_state_dict(state["scaler"])
        self.best = state["best"]
        self.history = History(**{**state["history"], "rows": [tuple(row) for row in state["history"]["rows"]]})
        torch.set_rng_state(state["random"].cpu())

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        if self.job.partial is None:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": {key: value for key, value in self.schedule.state_dict().items() if key != "_anneal_func_type"},
            "scaler": self.scaler.state_dict(),
            "best": self.best,
            "history": asdict(self.history),
            "random": torch.get_rng_state(),
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_bytes(self.job.partial / "state.pt", content.getvalue())

    def finish(self) -> History:
        """Leave the best weights in the job's inspector."""
        self.model.load_state_dict(self.best)
        self.model.to("cpu").to(memory_format=torch.contiguous_format).eval()
        return self.history


def _views_for(job: Job) -> ViewSettings:
    """Whole frames where most defective images have a label but no mask: a crop might not show the defect."""
    masks = [sample.mask is not None for sample in job.dataset.of("train") if sample.defective]
    crops = 2 * sum(masks) >= len(masks)
    return job.settings.views if crops else job.settings.views.model_copy(update={"crop": None})


def _shown(samples: tuple[Sample, ...], views: ViewSettings) -> tuple[Sample, ...]:
    """Leave out defective images without a mask where views are crops."""
    whole = views.crop is None
    return tuple(sample for sample in samples if whole or not sample.defective or sample.mask is not None)


def _draw(samples: tuple[Sample, ...], hardness: list[float], count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Draw sample indices, half of them defective; good ones by how defective they look, defective ones evenly."""
    generator = np.random.default_rng([seed, epoch, 7])
    defective = np.array([sample.defective for sample in samples])
    bad, good = np.nonzero(defective)[0], np.nonzero(~defective)[0]
    weight = 0.2 + np.asarray(hardness)[good]
    hits = _evenly(bad, count // 2, generator)
    calm = generator.choice(good, size=count - len(hits), p=weight / weight.sum())
    return generator.permutation(np.concatenate([hits, calm])).astype(np.int64)


def _evenly(indices: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-count // len(indices))
    return np.concatenate([generator.permutation(indices) for _ in range(rounds)])[:count]


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay weights, but neither biases nor norms."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
