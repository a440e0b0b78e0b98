"""Tables from real graphs and a real backend; only the measuring process is left out, whose tests are its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from beltline.benchmarks.timing import engine_timing
from beltline.benchmarks.timing.engine_timing import EngineBench, Graphs, graph_form, sampled_widths
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.prune.width_groups import network_shape
from beltline.compress.networks.base.shape import NetworkShape
from beltline.export.contracts import Artifact, Frame, Graph
from beltline.targets.host import LocalHost
from beltline.targets.profile import target_of

Make = Callable[..., EngineBench]


@pytest.fixture(scope="module")
def shape(tiny_checkpoint: Path) -> NetworkShape:
    found = network_shape(load_checkpoint(tiny_checkpoint).inspector, round_to=8)
    assert len(sampled_widths(found)) >= 10
    return found


@pytest.fixture
def bench(tiny_graph: Graph, frames: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a bench whose engine takes 1 ns a byte of the artifact."""

    def measured(artifact: Artifact, *_args: Any, **_options: Any) -> Any:
        return SimpleNamespace(engine_ns=np.full(20, artifact.size_bytes))

    monkeypatch.setattr(engine_timing, "measure_back_to_back", measured)

    def make(**changes: Any) -> EngineBench:
        facts: dict[str, Any] = {
            "backend": "onnx_runtime",
            "target": target_of("local", threads=1),
            "machine": {"cpu": "one", "conditions": {"load": 1}},
            "frames": tuple(frames),
            "graphs": lambda _checkpoint: Graphs(exported=tiny_graph, final=tiny_graph),
            "host": lambda: nullcontext(LocalHost()),
            "cache": tmp_path / "times",
            "progress": lambda _what, _done, _of: None,
        }
        return EngineBench(**{**facts, **changes})

    return make


def test_a_table_is_measured_from_narrower_graphs_and_kept(
    bench: Make, tiny_checkpoint: Path, tiny_graph: Graph, shape: NetworkShape
) -> None:
    table = bench().table(tiny_checkpoint, shape)
    full, least = table.samples[0], table.samples[1]
    assert full.engine_ms == pytest.approx(bench().engine_ms(tiny_checkpoint), rel=0.1)  # notes on shapes go
    assert full.engine_ms == pytest.approx(tiny_graph.path.stat().st_size / 1e6, rel=0.1)
    assert least.engine_ms < full.engine_ms

    def must_not(*_: object) -> None:
        pytest.fail("it is measured already")

    again = bench(machine={"cpu": "one", "conditions": {"load": 9}}, progress=must_not).table(tiny_checkpoint, shape)
    assert again == table


def test_a_stopped_table_goes_on_where_it_was(bench: Make, tiny_checkpoint: Path, shape: NetworkShape) -> None:
    def stop(_what: str, done: int, _of: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(progress=stop).table(tiny_checkpoint, shape)
    seen: list[int] = []
    bench(progress=lambda _what, done, _of: seen.append(done)).table(tiny_checkpoint, shape)
    assert seen[0] == 4


@pytest.mark.parametrize("content", ["", "{}", '{"samples": [{"widths": {}, "engine_ms": 1}]}', '{"samples": [1]}'])
def test_a_damaged_table_is_measured_again(
    bench: Make, tiny_checkpoint: Path, shape: NetworkShape, tmp_path: Path, content: str
) -> None:
    first = bench().table(tiny_checkpoint, shape)
    (kept,) = (tmp_path / "times").iterdir()
    kept.write_text(content)
    assert bench().table(tiny_checkpoint, shape) == first


def test_another_device_has_another_table(
    bench: Make, tiny_checkpoint: Path, shape: NetworkShape, tmp_path: Path
) -> None:
    bench().table(tiny_checkpoint, shape)
    bench(machine={"cpu": "another"}).table(tiny_checkpoint, shape)
    bench(target=target_of("local", threads=2)).table(tiny_checkpoint, shape)
    assert len(list((tmp_path / "times").iterdir())) == 3


def test_the_form_of_a_graph_passes_over_its_numbers_and_names_but_not_its_shapes(tiny_graph: Graph) -> None:
    model, other = onnx.load(tiny_graph.path), onnx.load(tiny_graph.path)
    (weight,) = [each for each in other.graph.initializer if list(each.dims) == [8, 1, 3, 3]]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.ones((8, 1, 3, 3), np.float32), weight.name))
    assert graph_form(other) == graph_form(model)
    weight.CopyFrom(onnx.numpy_helper.from_array(np.ones((16, 1, 3, 3), np.float32), weight.name))
    assert graph_form(other) != graph_form(model)
