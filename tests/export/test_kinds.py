"""Kinds of defect: one more output, the same in every runtime, through pruning and int8."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from beltline.compress.methods.prune.structured import prune_channels
from beltline.compress.methods.quantize import METHOD, QuantizeStep
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.recipe import GraphContext
from beltline.export.artifacts import backends
from beltline.export.contracts import Decision, Frame
from beltline.export.graph_file import open_graph
from beltline.export.sessions import open_session
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import LineFileError
from beltline.inspection.data.camera import Tiles
from beltline.inspection.data.frame import FrameSpec
from beltline.targets.fingerprint import fingerprint, weight_bits
from beltline.targets.target import Target

KINDS = ("pit", "scratch", "stain")
NETWORKS = ({"family": "plain", "width": 8, "depth": 1}, {"family": "smp", "encoder": "resnet18"})


def _checkpoint(
    path: Path, network: dict[str, object], kinds: tuple[str, ...] = KINDS, *, gain: float | None = None
) -> Path:
    frame = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,), kinds=kinds)
    torch.manual_seed(0)
    inspector = Inspector(build_network(network, 1, kinds=len(kinds)), frame).eval()
    if gain is not None:
        inspector.network.head.logits.weight.data.mul_(gain)
        inspector.network.head.logits.bias.data.copy_(torch.tensor([2.0, 0.0, 0.0, 0.0]))
    save_checkpoint(path, Checkpoint(network=network, frame=frame, lineage=(), inspector=inspector))
    return path


def _said(checkpoint: Path, folder: Path, frame: Frame) -> dict[str, Decision]:
    graph, said = export_graph(checkpoint, folder), {}
    for name in ("torch_eager", "onnx_runtime", "open_vino"):
        backend = backends()[name]
        if backend.missing() is not None:
            continue
        (folder / name).mkdir()
        artifact = backend.build(graph, Target(name="local", threads=1, cpus=(0,)), folder / name)
        assert artifact.frame.kinds == graph.frame.kinds
        with backend.load(artifact, threads=1) as session:
            said[name] = session.infer(frame)
    return said


@pytest.mark.parametrize("network", NETWORKS)
def test_every_runtime_says_the_same_of_kinds(network: dict[str, object], tmp_path: Path, frames: list[Frame]) -> None:
    said = _said(_checkpoint(tmp_path / "a.safetensors", network), tmp_path, frames[0])
    exact = said["torch_eager"]
    assert exact.kinds is not None
    assert exact.kinds.shape == (3, *exact.heatmap.shape)
    assert abs(exact.kinds.astype(int).sum(axis=0) - exact.heatmap).max() <= 2  # shared out, up to rounding
    for each in said.values():
        assert each.kinds is not None
        assert abs(each.kinds.astype(int) - exact.kinds).max() <= 1


@pytest.mark.parametrize("scheme", ["onnx_runtime", "open_vino"])
def test_int8_tells_kinds_apart_as_float_does(scheme: str, tmp_path: Path, frames: list[Frame]) -> None:
    """Its maps are shared out among the kinds, and nearly everywhere the strongest kind stays the strongest."""
    backend = backends()[scheme]
    if (missing := backend.missing()) is not None:
        pytest.skip(missing)
    graph = export_graph(_checkpoint(tmp_path / "a.safetensors", NETWORKS[0], gain=30), tmp_path)
    context = GraphContext(
        target_file=tmp_path / "int8.onnx",
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend=scheme,
        progress=lambda *_: None,
        weight_bits=weight_bits(fingerprint(())),
    )
    METHOD.apply(graph.path, QuantizeStep(scheme=scheme), context)
    said = []
    for each in (graph, open_graph(context.target_file)):
        (folder := tmp_path / each.precision).mkdir()
        artifact = backend.build(each, Target(name="local", threads=1, cpus=(0,)), folder)
        assert artifact.frame.kinds == KINDS
        with backend.load(artifact, threads=1) as session:
            said.append(session.infer(frames[3]))
    exact, rounded = said
    assert exact.kinds is not None
    assert rounded.kinds is not None
    assert rounded.kinds.shape == exact.kinds.shape
    assert abs(rounded.kinds.astype(int).sum(axis=0) - rounded.heatmap).max() <= 2
    assert abs(rounded.kinds.astype(int) - exact.kinds).mean() < 6 * 2 ** (8 - context.weight_bits)
    clear = np.subtract(*np.sort(exact.kinds, axis=0)[:-3:-1].astype(int)) > 12 * 2 ** (8 - context.weight_bits)
    assert clear.any()
    assert (rounded.kinds.argmax(axis=0) == exact.kinds.argmax(axis=0))[clear].mean() > 0.95


@pytest.mark.parametrize(
    "taken",
    [
        {"resize": "area", "frame_height": 128, "frame_width": 128},
        {"resize": "area", "frame_height": 112, "frame_width": 112, "tiles": Tiles(size=64, overlap=16)},
    ],
    ids=["shrunk", "tiles"],
)
def test_kinds_come_back_of_frames_that_are_prepared_before_the_graph(
    taken: dict[str, Any], tmp_path: Path, frames: list[Frame]
) -> None:
    path = _checkpoint(tmp_path / "a.safetensors", NETWORKS[0], gain=30)
    whole = load_checkpoint(path)
    save_checkpoint(path, replace(whole, frame=replace(whole.frame, height=64, width=64, **taken)))
    backend, graph = backends()["onnx_runtime"], export_graph(path, tmp_path)
    (tmp_path / "built").mkdir()
    artifact = backend.build(graph, Target(name="local", threads=1, cpus=(0,)), tmp_path / "built")
    frame = np.ascontiguousarray(
        np.tile(frames[3][:64, :64], (2, 2, 1))[: taken["frame_height"], : taken["frame_width"]]
    )
    with open_session(backend, artifact, threads=1) as session:
        said = session.infer(frame)
    assert said.kinds is not None
    assert said.kinds.shape == (3, *said.heatmap.shape)
    assert abs(said.kinds.astype(int).sum(axis=0) - said.heatmap).max() <= 2


def test_one_kind_has_the_outputs_of_today(tmp_path: Path, frames: list[Frame]) -> None:
    import onnx

    said = _said(_checkpoint(tmp_path / "a.safetensors", NETWORKS[0], kinds=()), tmp_path, frames[0])
    assert all(each.kinds is None for each in said.values())
    assert [each.name for each in onnx.load(tmp_path / "model.onnx").graph.output] == ["score", "heatmap"]


def test_a_pruned_network_keeps_its_kinds(tmp_path: Path, frames: list[Frame]) -> None:
    whole = load_checkpoint(_checkpoint(tmp_path / "a.safetensors", {"family": "plain", "width": 16, "depth": 2}))
    prune_channels(whole.inspector, ratio=0.5, round_to=8)
    save_checkpoint(tmp_path / "pruned.safetensors", whole)
    again = load_checkpoint(tmp_path / "pruned.safetensors")
    assert again.parameters < load_checkpoint(tmp_path / "a.safetensors").parameters
    _, _, kinds = again.inspector(torch.from_numpy(frames[0]))
    assert kinds.shape[0] == 3


def test_the_map_of_any_defect_is_untouched_by_kinds() -> None:
    torch.manual_seed(0)
    one = build_network(dict(NETWORKS[0]), 1).eval()
    torch.manual_seed(0)
    several = build_network(dict(NETWORKS[0]), 1, kinds=3).eval()
    pixels = torch.randn(1, 1, 64, 64)
    assert torch.allclose(one(pixels), several(pixels)[:, :1])


def test_a_network_that_ends_otherwise_is_refused() -> None:
    from beltline.compress.networks.base.families import _with_kinds

    with pytest.raises(LineFileError, match=r"leave teacher\.kinds out"):
        _with_kinds(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1)), 3, name="other")


def test_names_of_kinds_travel_with_the_frame() -> None:
    spec = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,), kinds=KINDS)
    assert FrameSpec.from_json(spec.to_json()) == spec
    assert "kinds" not in replace(spec, kinds=()).to_json()


def test_heatmaps_are_kept_and_read_back(tmp_path: Path) -> None:
    from beltline.export.kept_maps import KeptMaps, MapWriter

    generator, writer = np.random.default_rng(0), MapWriter()
    given = [generator.integers(0, 256, (4, 10, 12 + place), np.uint8) for place in range(3)]
    for place, maps in enumerate(given):
        writer.take(place, Decision(score=0.5, heatmap=maps[0], engine_start_ns=0, engine_end_ns=0, kinds=maps[1:]))
    writer.write(tmp_path / "maps.npz")
    kept = KeptMaps(tmp_path / "maps.npz")
    assert len(kept) == 3
    assert all(np.array_equal(kept[place], maps) for place, maps in enumerate(given))
