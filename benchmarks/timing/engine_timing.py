"""Engine times of networks as they will run, and of the same network at other widths.

Each is measured in a fresh process, pinned and alone, back to back. What else runs on the machine can only add time,
so of each network the quietest stretch counts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...compress.latency_table import LatencyTable, TimedWidths, fit_table
from ...compress.networks.base.shape import NetworkShape, Widths
from ...export.artifacts import backends
from ...export.contracts import Artifact, Frame, Graph
from ...export.graph_reading import parse_model
from ...export.narrowing import layer_nodes, narrowed
from ...inspection.base.storage import digest_of_file, digest_of_json, write_bytes, write_json
from ...targets.host import Host
from ...targets.target import Target
from .measuring import MeasureLimits, measure_back_to_back

if TYPE_CHECKING:
    from onnx import ModelProto


from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


_TURN = MeasureLimits(frames=300, seconds=2)
_ROUNDS = 3
_STRETCH_FRAMES = 9

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphs:
    """A checkpoint on its way to the engine.

    Attributes:
        exported: As exported.
        final: After the recipe's steps on the graph; the same one where there are none.
    """

    exported: Graph
    final: Graph


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineBench:
    """Times networks on one device, in one backend and precision; a `compress.engine_time.EngineTimer`.

    Attributes:
        backend: Name of the runtime.
        target: Threads and CPUs.
        machine: The device's fingerprint: what its times hang on.
        frames: Camera frames to show, at least 2 different ones.
        graphs: Exports a checkpoint and goes through the recipe's steps on its graph.
        host: Opens the device.
        cache: Folder where measured networks are kept, by device, versions and form of the graph.
        progress: Called before each network of a table.
    """

    backend: str
    target: Target
    machine: Mapping[str, Any]
    frames: tuple[Frame, ...]
    graphs: Callable[[Path], Graphs]
    host: Callable[[], AbstractContextManager[Host]]
    cache: Path
    progress: Progress

    def engine_ms(self, checkpoint: Path) -> float:
        """Build a checkpoint and measure the engine's milliseconds for a frame: the least of three processes.

        Raises:
            GraphError: The backend does not take it.
            MeasurementError: It cannot be measured.
        """
        graph = self.graphs(checkpoint).final
        with tempfile.TemporaryDirectory(prefix="beltline-timed-") as folder, self.host() as host:
            artifact = backends()[self.backend].build(graph, self.target, Path(folder))
            return min(self._turn_ms(artifact, host) for _ in range(_ROUNDS))

    def table(self, checkpoint: Path, shape: NetworkShape) -> LatencyTable:
        """Measure a network at many widths, those that were measured on this device in these versions excepted.

        Each is kept as soon as it is measured: a table that was stopped is gone on with.

        Raises:
            GraphError: The backend does not take a network, or its layers cannot be matched with the graph's nodes.
            MeasurementError: One cannot be measured.
        """
        graphs = self.graphs(checkpoint)
        layers, model = layer_nodes(parse_model(graphs.exported.path)), parse_model(graphs.final.path)
        wanted = sampled_widths(shape)
        kept = self.cache / f"{self._key(graphs.final, model, shape)}.json"
        samples = _kept_samples(kept, wanted)
        if len(samples) < len(wanted):
            with self.host() as host:
                for widths in wanted[len(samples) :]:
                    self.progress("timing widths: network", len(samples) + 1, len(wanted))
                    taken_ms = self._narrowed_ms(graphs.final, narrowed(model, layers, shape.counts(widths)), host)
                    samples.append(TimedWidths(widths=widths, engine_ms=taken_ms))
                    write_json(kept, {"samples": [asdict(sample) for sample in samples]})
        return fit_table(shape, samples)

    def _key(self, graph: Graph, model: ModelProto, shape: NetworkShape) -> str:
        facts = {
            "graph": graph_form(model),
            "frame": graph.frame.to_json(),
            "shape": asdict(shape),
            "backend": self.backend,
            "machine": {key: value for key, value in self.machine.items() if key != "conditions"},
            "target": [self.target.threads, list(self.target.cpus)],
            "turn": asdict(_TURN),
        }
        return digest_of_json(facts).removeprefix("sha256:")[:16]

    def _narrowed_ms(self, graph: Graph, model: ModelProto, host: Host) -> float:
        with tempfile.TemporaryDirectory(prefix="beltline-widths-") as folder:
            path, built = Path(folder) / "model.onnx", Path(folder) / "built"
            write_bytes(path, model.SerializeToString())
            built.mkdir()
            thinner = replace(graph, path=path, digest=digest_of_file(path), checkpoint=None)
            return self._turn_ms(backends()[self.backend].build(thinner, self.target, built), host)

    def _turn_ms(self, artifact: Artifact, host: Host) -> float:
        measured = measure_back_to_back(artifact, self.frames, target=self.target, limits=_TURN, host=host)
        return quietest_ms(measured.engine_ns)


def quietest_ms(engine_ns: NDArray[np.int64]) -> float:
    """Give the lowest median of any 9 frames in a row, in ms; of all frames where they are fewer.

    >>> quietest_ms(np.array([9_000_000] * 30 + [2_000_000] * 9))
    2.0
    """
    length = min(_STRETCH_FRAMES, engine_ns.size)
    stretches = np.lib.stride_tricks.sliding_window_view(engine_ns, length)
    return float(np.median(stretches, axis=1).min()) / 1e6


def _kept_samples(path: Path, wanted: Sequence[Widths]) -> list[TimedWidths]:
    """Read the networks that were measured before, in order; what is damaged or of other widths is measured again."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))["samples"]
        samples = [TimedWidths(widths=each["widths"], engine_ms=float(each["engine_ms"])) for each in written]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    alike = [sample.widths == widths for sample, widths in zip(samples, wanted, strict=False)]
    return samples if all(alike) and len(samples) <= len(wanted) else []


def graph_form(model: ModelProto) -> str:
    """Give `sha256:<hex>` of a graph's operators, their settings and how they hang together, and its weights' shapes.

    Two trainings of one network, exported and quantized alike, have the same form.
    """
    graph = model.graph
    numbers: dict[str, int] = {}

    def number(name: str) -> int:
        return numbers.setdefault(name, len(numbers))

    nodes: list[Any] = [
        [node.op_type, [number(name) for name in node.input], [number(name) for name in node.output], _settings(node)]
        for node in graph.node
    ]
    shapes = sorted((number(tensor.name), tensor.data_type, tuple(tensor.dims)) for tensor in graph.initializer)
    return digest_of_json([nodes, [[at, kind, list(dims)] for at, kind, dims in shapes]])


def _settings(node: Any) -> list[list[str]]:
    settled = sorted((each.name, each.SerializeToString(deterministic=True).hex()) for each in node.attribute)
    return [list(each) for each in settled]


_SEED = 0
_FEWEST = 0.1
_SPREAD = 0.35
_BY_CHANCE = 3


def sampled_widths(shape: NetworkShape) -> tuple[dict[str, int], ...]:
    """Choose the full widths, the least, and five networks for each group.

    One of the five has this group alone at its narrowest and one has it alone at its full width, which separates the
    groups; the others are narrow all over by chance, each group to its own degree, as pruned networks are.
    """
    random = np.random.default_rng(_SEED)
    found = [shape.full, shape.least]
    for group in shape.groups:
        found += [{**shape.full, group.name: group.fewest}, {**shape.least, group.name: group.channels}]
        found += [random_widths(shape, random) for _ in range(_BY_CHANCE)]
    return tuple(found)


def random_widths(shape: NetworkShape, random: np.random.Generator) -> dict[str, int]:
    """Draw a network: a degree from a tenth to all of it, and each group's share around that degree."""
    degree = random.uniform(_FEWEST, 1.0)
    shares = np.clip(degree + random.uniform(-_SPREAD, _SPREAD, len(shape.groups)), 0, 1)
    return {
        group.name: min(group.choices(), key=lambda width: abs(width - share * group.channels))
        for group, share in zip(shape.groups, shares, strict=True)
    }
