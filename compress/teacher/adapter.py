"""A user's torch module as a network that gives a logit map: how it is made, and how its output is read."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...inspection.base.errors import LineFileError
from ..networks.base.output_settings import OutputSettings

_EPSILON = 1e-6
"""Probabilities are kept so far from 0 and 1 before they become logits: +-13.8."""


class AdaptedNetwork(nn.Module):
    """The user's module with its output brought to a logit map of at least 3 x 3 cells.

    Attributes:
        inner: The user's module, batch first.
        settings: How its output is read, and in which order it takes colours.
        gain: Scale of an anomaly map; 1 otherwise.
        offset: Anomaly that is called neither good nor defective; 0 otherwise.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, inner: nn.Module, settings: OutputSettings) -> None:
        super().__init__()
        self.inner = inner
        self.settings = settings
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, rows, columns]` of normalised frames `[N, channels, h, w]` in RGB order."""
        raw = self.raw(pixels)
        if self.settings.output.startswith("class"):
            return self._logit(raw.unsqueeze(1) if raw.ndim == 1 else raw).view(-1, 1, 1, 1).expand(-1, 1, 3, 3)
        maps = raw.unsqueeze(1) if raw.ndim == 3 else raw
        return (maps - self.offset) * self.gain if self.settings.output == "anomaly_map" else self._logit(maps)

    def raw(self, pixels: Tensor) -> Tensor:
        """Give what the user's module returns, in its own scale; of several outputs the one chosen."""
        if self.settings.channels == "bgr":
            pixels = torch.cat([pixels[:, 2:3], pixels[:, 1:2], pixels[:, 0:1]], dim=1)
        chosen: Tensor = chosen_output(self.inner(pixels), self.settings.output_at)
        return chosen

    def _logit(self, values: Tensor) -> Tensor:
        """Give the defect's logit `[N, 1, ...]` of logits or probabilities `[N, classes, ...]`."""
        good, probable = self.settings.good_class, "probabilit" in self.settings.output
        if values.shape[1] == 1:
            logit = torch.logit(values, eps=_EPSILON) if probable else values
            return -logit if good == 1 else logit
        of_good = values[:, good : good + 1]
        if probable:
            return torch.logit(1.0 - of_good, eps=_EPSILON)
        rest = torch.cat([values[:, :good], values[:, good + 1 :]], dim=1) if good else values[:, 1:]
        return (rest if rest.shape[1] == 1 else torch.logsumexp(rest, dim=1, keepdim=True)) - of_good


def chosen_output(returned: Any, at: str | int | None) -> Any:
    """Take one of several outputs; a tensor, or what there is no such place in, stays as it is.

    >>> chosen_output({"out": 1, "aux": 2}, "aux"), chosen_output((3, 4), 0), chosen_output({"out": 1}, None)
    (2, 3, {'out': 1})
    """
    if isinstance(returned, Tensor) or at is None:
        return returned
    if isinstance(returned, Mapping):
        return returned.get(at, returned)
    if isinstance(at, int):
        return (
            returned[at] if isinstance(returned, (tuple, list)) and -len(returned) <= at < len(returned) else returned
        )
    return getattr(returned, at, returned)


def made_by(factory: str, folder: Path) -> nn.Module:
    """Import and call `module:function`, looking into `folder` first.

    Raises:
        LineFileError: Nothing there, it fails, or it gives something else than a module.
    """
    module_name, function = factory.split(":")
    try:
        with _importing_from(folder):
            made = getattr(import_module(module_name), function)()
    except (Exception, SystemExit) as error:
        msg = (
            f"teacher: factory {factory!r} cannot be loaded from {folder}: {failure(error, folder)}; "
            "write it as module:function, callable without arguments"
        )
        raise LineFileError(msg) from error
    if not isinstance(made, nn.Module):
        msg = f"teacher: factory {factory!r} must return a torch.nn.Module, got {type(made).__name__}"
        raise LineFileError(msg)
    return made


def failure(error: BaseException, folder: Path) -> str:
    """Say in one line what a user's code failed with, and in which line of theirs.

    Args:
        error: What it raised.
        folder: Where their code is.
    """
    what = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve().is_relative_to(folder.resolve())
    ]
    return f"{what} ({Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line})" if own else what


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    place = str(folder.resolve())
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
