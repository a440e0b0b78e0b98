from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, load_checkpoint, read_header, save_checkpoint
from beltline.compress.methods.prune.structured import prune_channels
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.inspection.base.errors import LineFileError, WeightsError
from beltline.inspection.data.frame import FrameSpec
from safetensors.torch import save_file

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,), frame_height=64, frame_width=64)
FAMILIES = [
    {"family": "plain", "width": 8, "depth": 2},
    {"family": "plain", "width": 8, "depth": 1, "stride": 8},
    {"family": "timm", "backbone": "mobilenetv3_small_050", "width": 8},
    {"family": "smp", "encoder": "resnet18", "decoder_width": 64},
]


def made(network: dict[str, object]) -> Checkpoint:
    torch.manual_seed(0)
    settled = normal_network(network)
    inspector = Inspector(build_network(settled, FRAME.channels), FRAME).eval()
    return Checkpoint(network=settled, frame=FRAME, lineage=("teacher test",), inspector=inspector)


def score(checkpoint: Checkpoint) -> float:
    frame = torch.randint(0, 256, (64, 64, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return float(checkpoint.inspector(frame)[0])


@pytest.mark.parametrize("network", FAMILIES, ids=str)
def test_a_checkpoint_comes_back_as_it_was(network: dict[str, object], tmp_path: Path) -> None:
    checkpoint = made(network)
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    again = load_checkpoint(tmp_path / "a.safetensors")
    assert (again.network, again.frame, again.lineage) == (checkpoint.network, checkpoint.frame, checkpoint.lineage)
    assert score(again) == score(checkpoint)
    assert again.parameters == checkpoint.parameters


@pytest.mark.parametrize("network", FAMILIES, ids=str)
def test_a_pruned_network_is_rebuilt_from_its_tensors(network: dict[str, object], tmp_path: Path) -> None:
    checkpoint = made(network)
    before = checkpoint.parameters
    prune_channels(checkpoint.inspector, ratio=0.4, round_to=4)
    assert checkpoint.parameters < 0.85 * before
    save_checkpoint(tmp_path / "pruned.safetensors", checkpoint)
    assert score(load_checkpoint(tmp_path / "pruned.safetensors")) == score(checkpoint)


def test_half_precision_halves_the_file_and_reads_as_float(tmp_path: Path) -> None:
    checkpoint = made({"family": "plain", "width": 16})
    for name, half in (("full", False), ("half", True)):
        save_checkpoint(tmp_path / f"{name}.safetensors", checkpoint, half=half)
    full, half_size = ((tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half"))
    assert half_size < 0.6 * full
    again = load_checkpoint(tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in again.inspector.parameters()} == {torch.float32}
    assert score(again) == pytest.approx(score(checkpoint), abs=1e-2)


def _header(path: Path, header: object) -> Path:
    save_file({"a": torch.zeros(1)}, path, {"beltline": json.dumps(header)})
    return path


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.safetensors"
    text.write_bytes(b"not a checkpoint at all")
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    other = _header(tmp_path / "other.safetensors", {"format": 99})
    for path, message in ((text, "not a Beltline checkpoint"), (foreign, "not a Beltline"), (other, "format 1")):
        with pytest.raises(WeightsError, match=message):
            read_header(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_checkpoint(tmp_path / "missing.safetensors")


def test_a_cut_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, made({"family": "plain", "width": 8}))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint(path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    checkpoint = made({"family": "plain", "width": 8, "depth": 2})
    other = Checkpoint(
        network=normal_network({"family": "plain", "width": 8, "depth": 3}),
        frame=FRAME,
        lineage=(),
        inspector=checkpoint.inspector,
    )
    save_checkpoint(tmp_path / "a.safetensors", other)
    with pytest.raises(WeightsError, match="do not fit"):
        load_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"family": "nothing"}, "family: wanted one of factory, memory, plain"),
        ({"family": "plain", "width": 1}, "width"),
        ({"family": "plain", "colour": 1}, "colour"),
        ({"family": "timm", "backbone": "resnet_of_nobody"}, "no backbone"),
        ({"family": "smp", "encoder": "encoder_of_nobody"}, "cannot make encoder"),
    ],
)
def test_a_network_that_cannot_be_is_named(network: dict[str, object], message: str) -> None:
    with pytest.raises(LineFileError, match=message):
        build_network(network, 1)
