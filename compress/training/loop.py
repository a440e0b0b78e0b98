"""One training loop for teachers, students and pruned networks: resumable after a kill, deterministic under a seed."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...inspection.base.errors import RecipeError
from ...inspection.base.storage import write_bytes
from ...inspection.data.dataset import Dataset
from ..checkpoint import Checkpoint, save_checkpoint
from ..networks.base.inspector import Inspector, score_logits
from ..recipe import Progress
from .augmentation import Augmenter, View
from .devices import short_floats
from .fit_settings import FitSettings
from .losses import Batch
from .memory import free_bytes, require_room, step_bytes
from .prepared_cache import PreparedCache
from .processes import Team, check_processes, device_of, train_together
from .sampling import batch_of, epoch_steps, largest_view, shown, views_for
from .scores import judged_on_val

LAST_GOOD = "last_good.safetensors"
"""The best weights before a training broke down, as a checkpoint, in the folder that outlives the run."""

_LEAST_RATE = 1e-6
"""Of what stays as it is: a schedule wants a rate above 0."""

Loss = Callable[[Tensor, Batch], Tensor]
"""Logits `[N, 1, rows, columns]` and their batch to a scalar."""


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
        learned: The part of the inspector's network whose weights were learned elsewhere, trained as
            `FitSettings.backbone` says; None: there is none.
        alongside: What the loss learns itself, such as adapters: trained and resumed with the inspector, then left.
        as_checkpoint: Gives the checkpoint that the inspector's weights make: of a training that breaks down the best
            ones are kept as such a file.
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
    learned: nn.Module | None = None
    alongside: nn.Module = field(default_factory=nn.Module)
    as_checkpoint: Callable[[], Checkpoint] | None = None


@dataclass(slots=True, kw_only=True)
class History:
    """How training went; saved with the state.

    Attributes:
        epoch: Epochs done.
        best_epoch: 1-based; 0 before the first.
        best_auroc: On val, of the best epoch's averaged weights.
        best_escapes: Likewise; 0 where escapes are not counted.
        rows: One `(epoch, mean loss, val AUROC)` per epoch.
        escapes: Val defects passed after each epoch, where they are counted, see `FitSettings.stop_at_overkill`.
        hardness: Running score of each train sample, `[0, 1]`: what looks defective is shown more often.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_auroc: float = -1.0
    best_escapes: int = 0
    rows: list[tuple[int, float, float]] = field(default_factory=list)
    escapes: list[int] = field(default_factory=list)
    hardness: list[float] = field(default_factory=list)

    def take(self, loss: float, area: float, escapes: int | None) -> bool:
        """Add an epoch; says whether it is the best so far: fewest escapes, then the largest AUROC.

        Without an AUROC, since val has no defect, the latest epoch counts as the best.
        """
        self.epoch += 1
        self.rows.append((self.epoch, loss, area))
        self.escapes += [] if escapes is None else [escapes]
        better = not self.best_epoch or isnan(area) or (-(escapes or 0), area) > (-self.best_escapes, self.best_auroc)
        if better:
            self.best_epoch, self.best_auroc, self.best_escapes = self.epoch, area, escapes or 0
        return better

    def best(self) -> str:
        """Say how good the best epoch is."""
        passed = f", {self.best_escapes} escapes" if self.escapes else ""
        return "the latest" if isnan(self.best_auroc) else f"val AUROC {self.best_auroc:.4f}{passed}"


def fit(job: Job) -> History:
    """Train, keep the best epoch on val, and leave its weights in `job.inspector`.

    Weights are averaged (EMA, Polyak and Juditsky 1992); good frames that look defective are drawn more often.

    Raises:
        RecipeError: The loss is no longer a number; the best weights before are in `job.inspector`, and in a file where
            the job says what checkpoint they make.
        StorageError: The state cannot be written.
    """
    if (processes := job.settings.processes) == 1:
        return _fitted(job, Team())
    check_processes(processes, job.device)
    ours, *others = (replace(job, device=device_of(job.device, rank)) for rank in range(processes))
    sent = [replace(other, progress=_untold, as_checkpoint=None) for other in others]
    found: History = train_together(_fitted, ours, sent, device=job.device, name=job.name)
    return found


def _untold(_what: str, _done: int, _of: int) -> None:
    """Progress of a process that does not lead: the leading one tells it."""


def _fitted(job: Job, team: Team) -> History:
    """Train with the others of the team."""
    torch.manual_seed(job.seed)
    cv2.setNumThreads(1)  # OpenCV's own pool fights torch's for the cores: ten times slower steps on two cores
    trainer = _Trainer(job if team.leads else copy.deepcopy(job), team)
    trainer.resume()
    while trainer.wants_more():
        trainer.epoch()
        trainer.keep()
    return trainer.finish()


class _Trainer:
    """The moving parts of one `fit`."""

    def __init__(self, job: Job, team: Team) -> None:
        self.team = team
        views = views_for(job.dataset, job.settings.augmentation, job.inspector.frame)
        self.job = job = replace(job, settings=job.settings.model_copy(update={"augmentation": views}))
        self.samples = shown(job.dataset.of("train"), views)
        self.history = History(hardness=[0.5] * len(self.samples))
        self.maker = Augmenter(
            dataset=job.dataset,
            frame=job.inspector.frame,
            settings=views,
            grounds=tuple(sample for sample in self.samples if not sample.defective),
            cache=None if job.partial is None else PreparedCache(job.partial / f"prepared-{team.rank}"),
        )
        self.whole_maker = replace(self.maker, settings=views.model_copy(update={"crop": None}))
        self._require_room()
        self.model = job.inspector.to(job.device).to(memory_format=torch.channels_last)
        self.alongside = job.alongside.to(job.device)
        self.average = copy.deepcopy(self.model)
        self.best = _state_of(self.model)
        settings = job.settings
        self.steps = settings.steps_of(len(self.samples))
        groups = _groups((self.model, self.alongside), job.learned, settings)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.total = self.steps * settings.epochs + 1
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            [group["peak"] for group in groups],
            total_steps=self.total,
            pct_start=0.15,
            cycle_momentum=False,
        )
        self.short = short_floats(job.device)
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=self.short is torch.float16)

    def _require_room(self) -> None:
        """Refuse a step that does not fit into memory, all processes of a CPU together, before any is tried."""
        job, share = self.job, len(self.team.share(self.job.settings.batch))
        frame = job.inspector.frame
        size = largest_view(job.settings.augmentation, frame)
        needed = step_bytes(job.inspector.network, frame.planes, size, batch=share)
        together = self.team.count if job.device.type == "cpu" else 1
        require_room(
            needed and needed * together, free_bytes(job.device), name=job.name, size=size, batch=job.settings.batch
        )

    def wants_more(self) -> bool:
        """Whether another epoch may still help."""
        waited = self.history.epoch - self.history.best_epoch
        return self.history.epoch < self.job.settings.epochs and waited < self.job.settings.patience

    def epoch(self) -> None:
        """Train one epoch and score val."""
        number = self.history.epoch + 1
        total = 0.0
        for step, (chosen, batch) in enumerate(self._batches(number), start=1):
            try:
                value = self._step(chosen, batch)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                raise RecipeError(self._too_large(batch)) from error
            if not isfinite(value):
                raise RecipeError(self._broken_down(value, f"epoch {number}, step {step} of {self.steps}"))
            total += value
            self.job.progress(self._label(number), step, self.steps)
        area, escapes = self.team.agreed(self._judged, self.job.device)
        if self.history.take(total / self.steps, area, escapes):
            self.best = _state_of(self.average)

    def _judged(self) -> tuple[float, int | None]:
        overkill = self.job.settings.stop_at_overkill
        return judged_on_val(self.average, self.job.dataset, self.job.device, overkill=overkill)

    def _label(self, number: int) -> str:
        best = f", best {self.history.best()}" if self.history.best_epoch else ""
        return f"epoch {number}/{self.job.settings.epochs}{best}, step"

    def _step(self, chosen: NDArray[np.int64], batch: Batch) -> float:
        """Take one step and give its loss; where that is no number, no weight is changed."""
        self._to_train()
        shortened = partial(torch.autocast, self.job.device.type, dtype=self.short, enabled=self.short is not None)
        with self.team.forward(), shortened():
            logits = self.model.network(batch.pixels)
        logits, batch = self.team.whole(logits.float(), batch)
        with shortened():
            loss = self.job.loss(logits, batch)
        if not isfinite(value := float(loss.detach())):
            return value
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks it
        self.team.sum_gradients((self.model, self.alongside))
        self.scaler.unscale_(self.optimizer)
        for trained in (self.model, self.alongside):
            nn.utils.clip_grad_norm_(list(trained.parameters()), 2.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self._average()
        for index, score in zip(chosen, torch.sigmoid(score_logits(logits.detach())).tolist(), strict=True):
            self.history.hardness[index] += 0.5 * (score - self.history.hardness[index])
        return value

    def _to_train(self) -> None:
        """Set what learns to learn; of a part that was learned elsewhere, what is to stay stays."""
        self.model.train()
        if (learned := self.job.learned) is None:
            return
        settings = self.job.settings.backbone
        awake = settings.rate > 0 and self.schedule.last_epoch >= settings.frozen_share * self.total
        learned.requires_grad_(awake)
        if settings.batch_norm == "frozen" or not awake:
            for module in learned.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001  torch's only name for all of them
                    module.eval()

    @torch.no_grad()
    def _average(self) -> None:
        done = self.schedule.last_epoch
        decay = min(self.job.settings.ema, (1 + done) / (10 + done))
        for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def _batches(self, number: int) -> Iterator[tuple[NDArray[np.int64], Batch]]:
        settings, seed = self.job.settings, self.job.seed
        plan = epoch_steps(self.samples, self.history.hardness, settings, self.steps, seed=seed, epoch=number)

        def load(step: int) -> list[View]:
            maker, drawn = self.whole_maker if plan[step].whole else self.maker, plan[step].samples
            return [
                maker.view(self.samples[drawn[place]], np.random.default_rng([seed, number, step, place]))
                for place in self.team.share(settings.batch)
            ]

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(load, 0)
            for step in range(self.steps):
                views = ahead.result()
                if step + 1 < self.steps:
                    ahead = reader.submit(load, step + 1)
                done = (number - 1 + step / self.steps) / settings.epochs
                yield plan[step].samples, batch_of(views, self.model, done=done)

    def resume(self) -> None:
        """Go on from the state that a killed run left, if there is one."""
        if self.job.partial is None or not (path := self.job.partial / "state.pt").exists():
            return
        state: dict[str, Any] = torch.load(path, map_location=self.job.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.alongside.load_state_dict(state.get("alongside", {}))
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if state["scaler"]:  # empty where the killed run was on the CPU
            self.scaler.load_state_dict(state["scaler"])
        self.best = state["best"]
        self.history = History(**{**state["history"], "rows": [tuple(row) for row in state["history"]["rows"]]})
        torch.set_rng_state(state["random"].cpu())

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        if self.job.partial is None or not self.team.leads:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "alongside": self.alongside.state_dict(),
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
        if self.maker.cache is not None:
            self.maker.cache.remove()
        self.model.load_state_dict(self.best)
        self.model.to("cpu").to(memory_format=torch.contiguous_format).eval()
        return self.history

    def _too_large(self, batch: Batch) -> str:
        """Say what did not fit into memory, and what to write; the state of the epoch before is kept."""
        (count, _, height, width), device = batch.pixels.shape, self.job.device.type
        what = "" if self.job.settings.augmentation.crop else ", or fit.augmentation.crop: 256"
        return (
            f"{self.job.name}: {count} views of {height} x {width} px at once do not fit into the memory of {device}; "
            f"write fit.batch: {max(2, count // 2)}{what}, or a smaller input_size, and run again: it goes on from the "
            "epoch before"
        )

    def _broken_down(self, value: float, place: str) -> str:
        """Keep the best weights so far, and say where it happened, where they are and what to do."""
        history, job = self.finish(), self.job
        kept = "no epoch was finished before it"
        if history.best_epoch:
            kept = f"the best epoch before it is {history.best_epoch} ({history.best()})"
            if job.as_checkpoint is not None and job.partial is not None:
                checkpoint = job.as_checkpoint()
                lineage = (*checkpoint.lineage, f"{job.name} stopped in {place}, {kept}")
                save_checkpoint(job.partial / LAST_GOOD, replace(checkpoint, lineage=lineage))
                kept += f", kept as {job.partial / LAST_GOOD}"
        return (
            f"{job.name}: the loss became {value} in {place}; {kept}; "
            f"lower fit.learning_rate ({job.settings.learning_rate:g}) and run again"
        )


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _groups(modules: tuple[nn.Module, ...], learned: nn.Module | None, settings: FitSettings) -> list[dict[str, Any]]:
    """Decay weights, but neither biases nor norms; what was learned elsewhere has a rate of its own."""
    ours = {id(parameter) for parameter in (learned.parameters() if learned is not None else ())}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in chain.from_iterable(module.parameters() for module in modules):
        groups.setdefault((id(parameter) in ours, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "peak": settings.learning_rate * (max(settings.backbone.rate, _LEAST_RATE) if of_learned else 1),
        }
        for (of_learned, decays), parameters in sorted(groups.items(), reverse=True)
    ]


def _state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
