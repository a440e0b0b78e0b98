"""Training in several processes of one machine: each cuts and computes its share of a batch, all take the same step.

Nothing of the training changes with their number: the loss is that of the whole batch, gradients are summed, and norms
take the statistics of the whole batch (as synchronised batch norm does; torch's own wants CUDA). Two processes
give the loss curve of one, within rounding. Collectives: gloo on CPUs, NCCL on CUDA.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ...inspection.base.errors import RecipeError
from .losses import Batch

Work = TypeVar("Work")


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of one training, as one of them sees it.

    Attributes:
        rank: Its place; 0 keeps the results.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process tells progress, scores val and keeps the state."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """Give the places of a batch that are this process's."""
        each = batch // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Let norms within see the whole batch."""
        if self.count == 1:
            yield
            return
        with _SharedStatistics(self.count):
            yield

    def whole(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """Give the whole batch's logits and labels; gradients flow into this process's own.

        Args:
            logits: Of this process's share.
            batch: Its views.

        Returns:
            Of all, in the order of the batch; `pixels` are this process's own still.
        """
        if self.count == 1:
            return logits, batch
        parts = self._gathered(logits.detach())
        parts[self.rank] = logits
        labels: dict[str, Any] = {
            each.name: torch.cat(self._gathered(value))
            for each in fields(batch)
            if each.name != "pixels" and isinstance(value := getattr(batch, each.name), Tensor)
        }
        return torch.cat(parts), replace(batch, **labels)

    def _gathered(self, tensor: Tensor) -> list[Tensor]:
        sent = tensor.to(torch.uint8) if tensor.dtype == torch.bool else tensor.contiguous()
        parts = [torch.empty_like(sent) for _ in range(self.count)]
        distributed.all_gather(parts, sent)
        return [part.to(tensor.dtype) for part in parts]

    def sum_gradients(self, modules: Sequence[nn.Module]) -> None:
        """Add up the gradients of all processes."""
        if self.count == 1:
            return
        gradients = [each.grad for module in modules for each in module.parameters() if each.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        for gradient, summed in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def agreed(self, judge: Callable[[], tuple[float, int | None]], device: torch.device) -> tuple[float, int | None]:
        """Let the leading process judge, and the others know what it found."""
        if self.count == 1:
            return judge()
        area, escapes = judge() if self.leads else (0.0, None)
        told = torch.tensor([area, -1 if escapes is None else escapes], dtype=torch.float64, device=device)
        distributed.broadcast(told, src=0)
        return float(told[0]), None if told[1] < 0 else int(told[1])


def device_of(device: torch.device, rank: int) -> torch.device:
    """Give each process a GPU of its own; on the CPU they share the cores."""
    return torch.device("cuda", rank) if device.type == "cuda" else device


def check_processes(processes: int, device: torch.device) -> None:
    """Check that each process has a GPU where they compute on GPUs.

    Raises:
        RecipeError: It has not.
    """
    if device.type == "cuda" and processes > torch.cuda.device_count():
        msg = f"fit.processes: wanted {processes} GPUs, got {torch.cuda.device_count()}; write as many as there are"
        raise RecipeError(msg)


def train_together(
    work: Callable[[Work, Team], Any], leading: Work, following: Sequence[Work], *, device: torch.device, name: str
) -> Any:
    """Do the same work in this process and in others; this one's result counts.

    Args:
        work: A function of a module; called with its work and its team in each process.
        leading: This process's work.
        following: That of every other process, which can be sent there.
        device: What they compute on; says how they talk.
        name: Of the training, for messages.

    Raises:
        RecipeError: One of the other processes was lost.
    """
    team = Team(count=1 + len(following))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="beltline-train-"))
        meeting = Path(folder) / "store"
        others = [_started(stack, work, each, rank, team, meeting) for rank, each in enumerate(following, start=1)]
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        try:
            for process, answers in others:
                while not answers.poll(0.2):
                    if not process.is_alive():
                        raise RecipeError(_lost(others, name))
            stack.enter_context(_meeting(team, meeting, device))
            return work(leading, team)
        except (RuntimeError, EOFError) as error:
            if all(process.is_alive() for process, _ in others):
                raise
            raise RecipeError(_lost(others, name)) from error


def _started(
    stack: ExitStack, work: Callable[[Work, Team], Any], own: Work, rank: int, team: Team, meeting: Path
) -> tuple[BaseProcess, Connection]:
    spawn = multiprocessing.get_context("spawn")
    answers, tells = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_follow, args=(work, own, Team(rank, team.count), meeting, tells), daemon=True)
    process.start()
    tells.close()
    stack.callback(_ended, process)
    return process, answers


def _ended(process: BaseProcess) -> None:
    process.join(timeout=10)
    process.kill()
    process.join()


def _follow(work: Callable[[Any, Team], Any], own: Any, team: Team, meeting: Path, tells: Connection) -> None:
    tells.send("here")
    try:
        with _meeting(team, meeting, own.device):
            work(own, team)
    except Exception as error:
        tells.send(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error


@contextmanager
def _meeting(team: Team, meeting: Path, device: torch.device) -> Iterator[None]:
    torch.set_num_threads(max(1, torch.get_num_threads() // team.count))
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=meeting.as_uri(), rank=team.rank, world_size=team.count)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _lost(others: Sequence[tuple[BaseProcess, Connection]], name: str) -> str:
    said: list[str] = []
    for place, (process, answers) in enumerate(others, start=1):
        process.join(timeout=0.5)
        if not process.is_alive():
            last = _last(answers)
            said.append(f"process {place} of {len(others) + 1} ended with {process.exitcode}{last and f' ({last})'}")
    return f"{name}: {'; '.join(said)}; run again: it goes on from the epoch before, or write fit.processes: 1"


def _last(answers: Connection) -> str:
    last = ""
    try:
        while answers.poll():
            last = str(answers.recv())
    except EOFError:
        return "" if last == "here" else last
    return "" if last == "here" else last


class _Summed(torch.autograd.Function):
    """The sum over all processes; what flows back is summed likewise."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


def _total(value: Tensor) -> Tensor:
    total: Tensor = _Summed.apply(value)
    return total


class _SharedStatistics(TorchFunctionMode):
    """Batch norms that train take mean and variance of all processes' views, whichever module calls for them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm and (kwargs.get("training") or (len(args) > 5 and args[5])):
            return self._normalised(*args, **kwargs)
        return func(*args, **kwargs)

    def _normalised(
        self,
        values: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = True,  # noqa: ARG002  as torch's own
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        wide = values.float()
        others = [at for at in range(wide.ndim) if at != 1]
        shape = [1, -1, *[1] * (wide.ndim - 2)]
        mean = _total(wide.mean(others)) / self._count
        centred = wide - mean.view(shape)
        variance = _total(centred.square().mean(others)) / self._count
        if running_mean is not None and running_var is not None:
            number = self._count * wide.numel() // wide.shape[1]
            with torch.no_grad():
                running_mean.lerp_(mean.detach(), momentum)
                running_var.lerp_(variance.detach() * (number / max(1, number - 1)), momentum)
        found = centred * torch.rsqrt(variance + eps).view(shape)
        found = found if weight is None else found * weight.view(shape)
        found = found if bias is None else found + bias.view(shape)
        return found.to(values.dtype)
