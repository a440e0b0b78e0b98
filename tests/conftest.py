"""Parts that several floors' tests need: one tiny trained-like inspector, exported once per test run; a belt played."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from beltline.benchmarks.timing.measurement import Measurement
from beltline.export.contracts import Frame, Graph
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import Gates
from beltline.targets.fingerprint import fingerprint
from beltline.targets.target import Target

if TYPE_CHECKING:
    from beltline.export.bundles.writing import BundleParts
from chromium import browser
from loopback import device, make_device
from tiny_inspector import write_tiny_checkpoint

__all__ = ["browser", "device", "make_device"]

# A suite started in the background inherits an ignored Ctrl-C; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stations started by tests remember nothing for this user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose scores spread over (0, 1); frames of any size, network input 64 x 96."""
    frame = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,))
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors", frame)


@pytest.fixture(scope="session")
def tiny_graph(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """That checkpoint's ONNX."""
    from beltline.export.to_onnx import export_graph

    return export_graph(tiny_checkpoint, tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="session")
def frames() -> list[Frame]:
    """Twelve smooth grey frames 80 x 100 of differing brightness and contrast."""
    rng = np.random.default_rng(5)
    return [_frame(rng) for _ in range(12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBundle:
    """A real bundle: the tiny inspector on ONNX Runtime, its twelve frames as golden ones, signed.

    Attributes:
        path: The file.
        parts: What it was made from.
        key: Private key.
        public: Public key.
    """

    path: Path
    parts: BundleParts
    key: Path
    public: Path


@pytest.fixture(scope="session")
def bundle(tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> MadeBundle:
    from beltline.export.bundles.signing import make_key
    from beltline.export.bundles.writing import write_bundle

    folder = tmp_path_factory.mktemp("bundle")
    parts = bundle_parts(tiny_graph, frames, folder)
    public = make_key(folder / "key.pem")
    write_bundle(folder / "tiny.beltline", parts, key=folder / "key.pem")
    return MadeBundle(path=folder / "tiny.beltline", parts=parts, key=folder / "key.pem", public=public)


@pytest.fixture(scope="session")
def fixed_size(bundle: MadeBundle, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the same line whose model takes frames of 64 x 96 alone; all others are 80 x 100."""
    from beltline.export.bundles.writing import write_bundle
    from beltline.export.to_onnx import export_graph

    folder = tmp_path_factory.mktemp("fixed")
    spec = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,), frame_height=64, frame_width=96)
    graph = export_graph(write_tiny_checkpoint(folder / "fixed.safetensors", spec), folder)
    small = [np.ascontiguousarray(frame[:64, :96]) for frame in frames]
    (folder / "built").mkdir()
    parts = replace(bundle_parts(graph, small, folder / "built"), report=b'{"fixed": true}\n')
    write_bundle(folder / "fixed.beltline", parts, key=bundle.key)
    return folder / "fixed.beltline"


@pytest.fixture(scope="session")
def openvino_parts(tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> BundleParts:
    """What that bundle is made of, on OpenVINO."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    folder = tmp_path_factory.mktemp("openvino")
    return bundle_parts(tiny_graph, frames, folder, backend="open_vino", package="openvino")


@pytest.fixture(scope="session")
def parts_of_bundle() -> Callable[..., BundleParts]:
    """Give a function that builds a graph for a runtime and makes a bundle's parts of it and of frames."""
    return bundle_parts


def bundle_parts(
    graph: Graph, frames: list[Frame], folder: Path, *, backend: str = "onnx_runtime", package: str = "onnxruntime"
) -> BundleParts:
    """Build for a runtime, score the frames, cut between them."""
    from beltline.export.artifacts import backends, runtime_packages
    from beltline.export.bundles.golden import GoldenFrame, golden_of
    from beltline.export.bundles.manifest import BudgetFacts, DeviceFacts
    from beltline.export.bundles.parts_list import parts_list
    from beltline.export.bundles.writing import BundleModel, BundleParts

    machine = fingerprint(runtime_packages())
    artifact = backends()[backend].build(graph, Target(name="local", threads=1, cpus=(0,)), folder)
    with backends()[backend].load(artifact, threads=1) as session:
        scores = [session.infer(frame).score for frame in frames]
    threshold = sum(sorted(scores)[5:7]) / 2
    model = BundleModel(
        row="tiny", artifact=artifact, threshold=threshold, verdict="fits", relies_on=(), runtime={package: "1"}
    )
    named = [GoldenFrame(file=f"golden/{at:03d}.pgm", label="good", source=f"{at}.png") for at in range(len(frames))]
    return BundleParts(
        name="tiny",
        beltline="test",
        models=(model,),
        device=DeviceFacts(
            name="local",
            cpu=machine["cpu"],
            architecture=machine["architecture"],
            isa=tuple(machine["isa"]),
            threads=1,
        ),
        budget=BudgetFacts(period_ms=20, deadline_ms=40),
        gates=Gates(),
        cautions=(),
        golden=golden_of(named, {backend: scores}, {backend: threshold}),
        frames=frames,
        report=b"{}\n",
        licence=b"a licence\n",
        parts_list=parts_list("tiny", [model]),
        packed=False,
    )


def _frame(rng: np.random.Generator) -> Frame:
    import cv2

    coarse = rng.uniform(0, 1, (8, 10)) * rng.uniform(20, 200) + rng.uniform(0, 60)
    return np.clip(cv2.resize(coarse, (100, 80)), 0, 255).astype(np.uint8)[..., None].copy()


@pytest.fixture
def belt() -> Callable[..., Measurement]:
    """Give a function that plays frames of given work times through the belt's queue, as the worker would."""
    return _belt


def _belt(work_ms: list[float], *, period_ms: float = 10.0, cold_ms: list[float] | None = None) -> Measurement:
    cold, now, rows = cold_ms or [], 1_000_000, []
    for index, work in enumerate([*cold, *work_ms]):
        if index == len(cold):
            first = now + 1_000_000
        due = now if index < len(cold) else first + round((index - len(cold)) * period_ms * 1e6)
        start = max(due, now)
        now = start + round(work * 1e6)
        rows.append((due, start, start + round(work * 1e5), now - round(work * 5e4), now))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T.copy()
    return Measurement(
        mode="belt",
        arrivals=Arrivals(period_ns=round(period_ms * 1e6)),
        warmup=len(cold),
        scheduled_ns=columns[0],
        started_ns=columns[1],
        engine_start_ns=columns[2],
        engine_end_ns=columns[3],
        decided_ns=columns[4],
        fingerprint={"cpu": "abacus"},
        artifact_digest="sha256:0",
    )
