"""A user's module on real frames, before anything is built on it: batches of one and two, judging and learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...inspection.base.errors import WeightsError
from ...inspection.data.dataset import Dataset, evenly
from ...inspection.data.streaming import prepared_frames_of
from ..networks.base.inspector import Inspector
from ..networks.base.output_settings import shape_misfit, value_misfit
from .adapter import AdaptedNetwork, chosen_output, failure

_EACH = 8
_USUAL_EDGES = (224, 256, 384, 512, 640)


def try_on_frames(inspector: Inspector, dataset: Dataset, *, name: str, folder: Path, learns: bool) -> tuple[str, ...]:
    """Let an adapted module see frames of the train split.

    Args:
        inspector: Around an `AdaptedNetwork`, in evaluation mode; left as it was.
        dataset: Eight good and eight defective frames of its train split are looked at.
        name: The factory's, for messages.
        folder: Where the user's code is, to name the line that fails.
        learns: Whether a step of the recipes will train the module; what stops training is refused then.

    Returns:
        What is to be known of it, one sentence each.

    Raises:
        WeightsError: It fails, or its output is not what `output` says; the message holds the line to write.
    """
    adapted = inspector.network
    if not isinstance(adapted, AdaptedNetwork):
        msg = "try_on_frames needs an adapted network"
        raise TypeError(msg)
    pixels = _frames(inspector, dataset)
    trial = _Trial(adapted, name, folder)
    with torch.inference_mode():
        trial.run(pixels[:1], "one frame")
        pair = trial.run(pixels[:2], "two frames at once")
        trial.require(shape_misfit(pair.shape, adapted.settings, frames=2))
        raw = torch.cat([pair.float(), *(adapted.raw(frame).float() for frame in torch.split(pixels[2:], 1))])
    trial.require(value_misfit(raw.numpy(), adapted.settings))
    return trial.learning(pixels[:2], required=learns)


def _frames(inspector: Inspector, dataset: Dataset) -> Tensor:
    train = dataset.of("train")
    kinds = ([sample for sample in train if sample.defective is kind] for kind in (False, True))
    chosen = [sample for samples in kinds for sample in evenly(samples, _EACH)]
    seen = prepared_frames_of(dataset, chosen, inspector.frame)
    frames = (torch.from_numpy(frame).permute(2, 0, 1).unsqueeze(0) for frame in seen)
    with torch.no_grad():
        return torch.cat([inspector.prepare(frame) for frame in frames])


class _Trial:
    """The questions asked of one module, each answered with a refusal that holds the way out."""

    def __init__(self, adapted: AdaptedNetwork, name: str, folder: Path) -> None:
        self.adapted = adapted
        self.name = name
        self.folder = folder

    def run(self, pixels: Tensor, what: str) -> Tensor:
        """Give the chosen output; it is one tensor."""
        try:
            returned = self.adapted.raw(pixels)
        except (Exception, SystemExit) as error:
            raise WeightsError(self._failed(error, pixels, what)) from error
        if not isinstance(returned, Tensor):
            raise WeightsError(self._several(returned))
        return returned

    def require(self, misfit: str | None) -> None:
        """Refuse what does not fit.

        Raises:
            WeightsError: Something does not.
        """
        if misfit is not None:
            msg = f"teacher: {self.name} {misfit}"
            raise WeightsError(msg)

    def learning(self, pixels: Tensor, *, required: bool) -> tuple[str, ...]:
        """Take the gradient of one step without taking the step; the module is left as it was."""
        inner = self.adapted.inner
        state = {name: each.clone() for name, each in inner.state_dict().items()}
        inner.train()
        try:
            with torch.enable_grad():
                self.run(pixels, "two frames in training mode")
                logits = self.adapted(pixels)
                untouched = _without_gradient(inner, logits)
        except (Exception, SystemExit) as error:
            message = str(error) if isinstance(error, WeightsError) else self._failed(error, pixels, "a training step")
            if required:
                raise WeightsError(message) from error
            return (f"{message}; it can be quantized, not pruned or fine-tuned",)
        finally:
            inner.load_state_dict(state)
            inner.zero_grad(set_to_none=True)
            inner.eval()
        if not untouched:
            return ()
        note = (
            f"teacher: {len(untouched)} of the parameters of {self.name} get no gradient, such as {untouched[0]} "
            "(no_grad, detach, or unused in its forward)"
        )
        if required and logits.grad_fn is None:
            msg = f"{note}: nothing of it can be pruned or fine-tuned; take no_grad out of its forward"
            raise WeightsError(msg)
        return (f"{note}: prune and fine-tuning leave them as they are",)

    def _failed(self, error: BaseException, pixels: Tensor, what: str) -> str:
        message = f"teacher: {self.name} fails on {what}, {list(pixels.shape)}: {failure(error, self.folder)}"
        if len(pixels) > 1 and not self.adapted.inner.training:
            return f"{message}; one frame alone works: let its forward take a batch"
        other = pixels[:, :1] if pixels.shape[1] > 1 else pixels.expand(-1, 3, -1, -1)
        if self._takes(other):
            return f"{message}; frames of {other.shape[1]} channels work: write data.channels: {other.shape[1]}"
        edge = next((each for each in _USUAL_EDGES if self._takes_edge(pixels, each)), None)
        return (
            message
            if edge is None
            else f"{message}; frames of {edge} x {edge} work: write input_size: [{edge}, {edge}]"
        )

    def _takes_edge(self, pixels: Tensor, edge: int) -> bool:
        if tuple(pixels.shape[-2:]) == (edge, edge) or self.adapted.inner.training:
            return False
        return self._takes(nn.functional.interpolate(pixels, size=(edge, edge)))

    def _takes(self, pixels: Tensor) -> bool:
        try:
            self.adapted.raw(pixels)
        except (Exception, SystemExit):  # noqa: BLE001  whatever it raises, such frames are none of its own either
            return False
        return True

    def _several(self, returned: Any) -> str:
        at, mode = self.adapted.settings.output_at, "in training mode " if self.adapted.inner.training else ""
        places = _places(returned)
        if not places:
            return f"teacher: {self.name} {mode}returns {type(returned).__name__}, wanted a tensor; return one"
        listed = ", ".join(f"{place} {list(each.shape)}" for place, each in places.items())
        first = next(iter(places))
        wrong = f"nothing at output_at: {at} in it" if at is not None else "wanted one tensor"
        return f"teacher: {self.name} {mode}returns {listed}; {wrong}; write output_at: {first}"


def _places(returned: Any) -> dict[str | int, Tensor]:
    """Give the tensors among several outputs by what `output_at` may be."""
    pairs: Sequence[tuple[str | int, Any]]
    if isinstance(returned, Mapping):
        pairs = [(str(key), value) for key, value in returned.items()]
    elif isinstance(returned, (tuple, list)):
        pairs = list(enumerate(returned))
    else:
        pairs = sorted(vars(returned).items()) if hasattr(returned, "__dict__") else []
    return {place: value for place, value in pairs if isinstance(chosen_output(value, None), Tensor)}


def _without_gradient(module: nn.Module, logits: Tensor) -> list[str]:
    """Give the names of the parameters that the logits do not depend on as far as torch can see."""
    if logits.grad_fn is not None:
        logits.sum().backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks it
    return [name for name, parameter in module.named_parameters() if parameter.grad is None]
