from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.export.artifacts import backends
from beltline.export.contracts import Artifact, Decision
from beltline.export.graph_file import open_graph
from beltline.export.sessions import PreparingSession, open_session
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import DataError, GraphError
from beltline.inspection.data.camera import Region, Tiles
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.preparation import prepared
from beltline.inspection.data.runs import runs_of
from beltline.targets.target import Target
from typing_extensions import Self

SPEC = FrameSpec(
    height=64,
    width=96,
    channels=1,
    mean=(0.5,),
    std=(0.25,),
    frame_height=260,
    frame_width=390,
    region=Region(left=6, top=4, width=390, height=260),
    resize="area",
)
HERE = Target(name="local", threads=1, cpus=(0,))
BACKENDS = ("torch_eager", "onnx_runtime", "open_vino")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    return built(SPEC, tmp_path_factory.mktemp("shrinking"))


def built(spec: FrameSpec, folder: Path) -> dict[str, Artifact]:
    import torch
    from beltline.compress.checkpoint import Checkpoint, save_checkpoint

    network = {"family": "plain", "width": 8, "depth": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        inspector = Inspector(build_network(network, spec.channels), spec).eval()
    path = folder / "model.safetensors"
    save_checkpoint(path, Checkpoint(network=network, frame=spec, lineage=(), inspector=inspector))
    graph = export_graph(path, folder)
    made = {}
    for name in BACKENDS:
        (folder / name).mkdir()
        made[name] = backends()[name].build(graph, HERE, folder / name)
    return made


def frames() -> list[np.ndarray]:
    random = np.random.default_rng(2)
    return [random.integers(0, 256, (270, 400, 1), np.uint8) for _ in range(6)]


def test_every_backend_decides_on_whole_frames_as_torch_does(artifacts: dict[str, Artifact]) -> None:
    scores = {}
    for name, artifact in artifacts.items():
        with open_session(backends()[name], artifact, threads=1) as session:
            assert isinstance(session, PreparingSession)
            decisions = [session.infer(frame) for frame in frames()]
        scores[name] = [each.score for each in decisions]
        assert decisions[0].heatmap.ndim == 2
    assert np.allclose(scores["torch_eager"], scores["onnx_runtime"], atol=1e-5)
    assert np.allclose(scores["torch_eager"], scores["open_vino"], atol=1e-4)
    assert len(set(scores["torch_eager"])) == len(frames())


@pytest.mark.parametrize("shrunk", [True, False], ids=["two by two", "interpolated"])
def test_raw_mosaics_are_decided_on_alike_by_every_backend(shrunk: bool, tmp_path: Path) -> None:
    region = replace(SPEC, height=64 if shrunk else 160, width=96 if shrunk else 224)
    spec = replace(region, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, bayer="grbg")
    scores = {}
    for name, artifact in built(spec, tmp_path).items():
        with open_session(backends()[name], artifact, threads=1) as session:
            scores[name] = [session.infer(frame).score for frame in frames()]
            with pytest.raises(DataError, match=r"wanted C-contiguous uint8 \[260, 390, 1\]"):
                session.infer(np.zeros((270, 400, 3), np.uint8))
    threshold = float(np.median(scores["torch_eager"]))
    rejected = {name: [score >= threshold for score in each] for name, each in scores.items()}
    assert rejected["torch_eager"] == rejected["onnx_runtime"] == rejected["open_vino"]
    assert np.allclose(scores["torch_eager"], scores["onnx_runtime"], atol=1e-5)
    assert np.allclose(scores["torch_eager"], scores["open_vino"], atol=1e-4)
    assert len(set(scores["torch_eager"])) == len(frames())


def test_a_region_that_the_camera_has_cut_out_gives_the_same(artifacts: dict[str, Artifact]) -> None:
    artifact = artifacts["onnx_runtime"]
    with open_session(backends()["onnx_runtime"], artifact, threads=1) as session:
        for frame in frames():
            cut = np.ascontiguousarray(frame[4:264, 6:396])
            assert session.infer(cut).score == session.infer(frame).score


def test_frames_that_do_not_hold_the_region_are_refused(artifacts: dict[str, Artifact]) -> None:
    with open_session(backends()["onnx_runtime"], artifacts["onnx_runtime"], threads=1) as session:  # noqa: SIM117
        with pytest.raises(DataError, match=r"wanted C-contiguous uint8 .* holds the region, got"):
            session.infer(np.zeros((240, 400, 1), np.uint8))


def test_the_graph_itself_takes_the_networks_size_whatever_the_camera(artifacts: dict[str, Artifact]) -> None:
    graph = open_graph(artifacts["onnx_runtime"].path)
    assert graph.frame == SPEC
    alone = replace(artifacts["onnx_runtime"], frame=SPEC.in_graph)
    with backends()["onnx_runtime"].load(alone, threads=1) as session:
        assert session.infer(prepared(frames()[0], SPEC)).score == pytest.approx(
            _score(artifacts["onnx_runtime"]), abs=0
        )


def test_a_file_whose_property_wants_another_size_is_refused(artifacts: dict[str, Artifact], tmp_path: Path) -> None:
    import onnx
    from beltline.compress.graph_bytes import graph_bytes
    from beltline.export.graph_file import FRAME_KEY, frame_text

    model = onnx.load(artifacts["onnx_runtime"].path)
    lied = frame_text(replace(SPEC, height=128))
    (tmp_path / "model.onnx").write_bytes(graph_bytes(model, properties={FRAME_KEY: lied}))
    with pytest.raises(GraphError, match="its input is"):
        open_graph(tmp_path / "model.onnx")


def _score(artifact: Artifact) -> float:
    with open_session(backends()["onnx_runtime"], artifact, threads=1) as session:
        return session.infer(frames()[0]).score


def test_tiles_make_one_decision_with_a_stitched_heatmap_without_what_is_ignored(
    artifacts: dict[str, Artifact],
) -> None:
    """The graph for 64 x 96 serves as a stub of tiles: what each of them scores is known one by one."""
    ignored = np.zeros((260, 390), np.bool_)
    ignored[:, :96] = True
    artifact = replace(artifacts["onnx_runtime"], frame=replace(SPEC, resize="bilinear", ignore=None))
    spec = FrameSpec(
        height=64,
        width=64,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        frame_height=260,
        frame_width=390,
        resize="area",
        tiles=Tiles(size=64, overlap=16),
        ignore=runs_of(ignored),
    )
    frame = np.random.default_rng(4).integers(0, 256, (260, 390, 1), np.uint8)
    alone = _Stub()
    decision = PreparingSession(alone, replace(artifact, frame=spec)).infer(frame)
    assert len(alone.scores) == Tiles(size=64, overlap=16).count(260, 390) == 6 * 8
    assert decision.score == max(alone.scores)
    assert decision.heatmap.shape == (65, 98)
    assert not decision.heatmap[:, :23].any()
    assert (decision.heatmap[:, 25:] > 0).all()
    assert (decision.engine_start_ns, decision.engine_end_ns) == (1, len(alone.scores) + 1)


class _Stub:
    """Scores a tile by its brightness, and counts time in tiles."""

    def __init__(self) -> None:
        self.scores: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def infer(self, frame: np.ndarray) -> Decision:
        assert frame.shape == (64, 64, 1)
        self.scores.append(float(frame.mean()) / 255)
        at = len(self.scores)
        return Decision(
            score=self.scores[-1], heatmap=np.full((16, 16), at, np.uint8), engine_start_ns=at, engine_end_ns=at + 1
        )
