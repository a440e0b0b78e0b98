"""Pruning to a time, with real networks and training; the engine is a law of their multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from beltline.benchmarks.timing.engine_timing import sampled_widths
from beltline.compress.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from beltline.compress.latency_table import LatencyTable, TimedWidths, fit_table
from beltline.compress.methods.prune import METHOD as PRUNE
from beltline.compress.methods.prune.settings import PruneStep
from beltline.compress.networks.base.counting import count_network
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.networks.base.shape import NetworkShape
from beltline.compress.recipe import ModuleContext
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec

FIT = FitSettings(epochs=1, samples_per_epoch=4, batch=2, augmentation=AugmentationSettings(crop=32))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Nets this small wait longer for a second thread than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass
class LawTimer:
    """0.2 ms, and 1 ms for 3 million multiply-accumulates; where it really runs, `off` times that."""

    off: float = 1.0
    measured: list[float] = field(default_factory=list)

    def table(self, checkpoint: Path, shape: NetworkShape) -> LatencyTable:
        assert count_network(checkpoint)["macs"] == sum(layer.macs for layer in shape.layers)
        samples = [TimedWidths(widths=each, engine_ms=0.2 + _macs(shape, each) / 3e6) for each in sampled_widths(shape)]
        return fit_table(shape, samples)

    def engine_ms(self, checkpoint: Path) -> float:
        self.measured.append(self.off * (0.2 + count_network(checkpoint)["macs"] / 3e6))
        return self.measured[-1]


def _macs(shape: NetworkShape, widths: dict[str, int]) -> float:
    counts = shape.counts(widths)
    return sum(
        layer.macs * counts[layer.name][0] * counts[layer.name][1] / layer.inputs / layer.outputs
        for layer in shape.layers
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = normal_network({"family": "plain", "width": 16, "depth": 1})
    frame = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))
    inspector = Inspector(build_network(network, 1), frame).eval()
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_checkpoint(path, Checkpoint(network=network, frame=frame, lineage=("made for a test",), inspector=inspector))
    return path


def context(data: Dataset, model: Path, folder: Path, timer: LawTimer | None) -> ModuleContext:
    return ModuleContext(
        dataset=data,
        teacher=model,
        target_file=folder / "made.safetensors",
        partial=folder / "partial",
        device="cpu",
        seed=0,
        progress=lambda _what, _done, _of: None,
        timer=timer,
    )


def full_ms(model: Path) -> float:
    return LawTimer().engine_ms(model)


@pytest.mark.parametrize(("off", "tries"), [(1.0, 1), (1.3, 2)])
def test_the_built_network_takes_the_asked_time_though_the_table_is_wrong(
    line_data: Dataset, model: Path, tmp_path: Path, off: float, tries: int
) -> None:
    timer = LawTimer(off=off)
    asked_ms = 0.6 * off * full_ms(model)
    PRUNE.apply(model, PruneStep(engine_ms=asked_ms, round_to=4, fit=FIT), context(line_data, model, tmp_path, timer))
    assert len(timer.measured) == 1 + tries
    assert timer.engine_ms(tmp_path / "made.safetensors") == pytest.approx(asked_ms, rel=0.05)
    line = load_checkpoint(tmp_path / "made.safetensors").lineage[-1]
    assert line.startswith(f"prune to {asked_ms:g} ms in the engine (table ")


def test_a_stopped_fine_tuning_goes_on_with_the_widths_that_were_chosen(
    line_data: Dataset, model: Path, tmp_path: Path
) -> None:
    class StoppedError(Exception):
        pass

    def stop(what: str, _done: int, _of: int) -> None:
        if "epoch" in what:
            raise StoppedError

    timer = LawTimer()
    step = PruneStep(engine_ms=0.6 * full_ms(model), round_to=4, fit=FIT)
    with pytest.raises(StoppedError):
        PRUNE.apply(model, step, replace(context(line_data, model, tmp_path, timer), progress=stop))
    chosen = load_checkpoint(tmp_path / "partial" / "narrowed.safetensors").parameters
    asked_before = len(timer.measured)
    PRUNE.apply(model, step, context(line_data, model, tmp_path, replace(timer, off=2.0)))
    assert load_checkpoint(tmp_path / "made.safetensors").parameters == chosen
    assert len(timer.measured) == asked_before


def test_a_time_that_no_width_reaches_is_refused_with_the_least_that_one_does(
    line_data: Dataset, model: Path, tmp_path: Path
) -> None:
    timer = LawTimer()
    with pytest.raises(RecipeError, match=r"engine_ms 0\.1 cannot be reached: 0\.34\d* ms is the least"):
        PRUNE.apply(model, PruneStep(engine_ms=0.1, fit=FIT), context(line_data, model, tmp_path, timer))
    assert not (tmp_path / "made.safetensors").exists()


def test_a_time_that_is_kept_already_is_refused(line_data: Dataset, model: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"engine_ms 50 is asked, the network takes .* as it is; drop the step"):
        PRUNE.apply(model, PruneStep(engine_ms=50, fit=FIT), context(line_data, model, tmp_path, LawTimer()))


def test_without_a_device_nothing_is_guessed(line_data: Dataset, model: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="wants a device to measure on"):
        PRUNE.apply(model, PruneStep(engine_ms=1, fit=FIT), context(line_data, model, tmp_path, None))


def test_nan_stops_names_the_step_and_keeps_what_there_was(line_data: Dataset, model: Path, tmp_path: Path) -> None:
    wild = FIT.model_copy(update={"learning_rate": 1.0, "epochs": 40, "weight_decay": 1.0})
    damaged = tmp_path / "damaged.safetensors"
    checkpoint = load_checkpoint(model)
    checkpoint.inspector.network.head.logits.bias.data.fill_(float("inf"))
    save_checkpoint(damaged, checkpoint)
    with pytest.raises(RecipeError, match="prune: the loss became"):
        PRUNE.apply(
            damaged,
            PruneStep(engine_ms=0.6 * full_ms(model), importance="norm", round_to=4, fit=wild),
            context(line_data, model, tmp_path, LawTimer()),
        )
    assert (tmp_path / "partial" / "narrowed.safetensors").is_file()
    assert not (tmp_path / "made.safetensors").exists()
