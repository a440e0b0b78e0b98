"""How well does a latency table predict? `python -m beltline.studies.compression.latency_table`.

A table is measured for a network (networks cut from one graph, see `export.narrowing`), then networks of random widths
are pruned, exported, quantized and built as a recipe would, measured, and compared with what the table says of them.
Weights do not matter to time, so the network is untrained unless a checkpoint is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.timing.engine_timing import EngineBench, random_widths
from ...inspection.base.errors import BeltlineError
from ...inspection.data.frame import FrameSpec
from .timed_networks import local_bench, noise_frames, print_progress, write_untrained

NETWORKS = 20

_SEED = 1
"""Another one than the table's own, so that it has not seen the networks that it is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """One network of random widths.

    Attributes:
        predicted_ms: What the table says.
        measured_ms: What the engine took.
    """

    predicted_ms: float
    measured_ms: float

    @property
    def error(self) -> float:
        """Relative to the measured time; above 0: predicted too slow."""
        return self.predicted_ms / self.measured_ms - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What was found.

    Attributes:
        full_ms: The network as it is.
        blocks: Outputs and inputs that the engine takes at once, as the table found them.
        measured: Networks that the table was fitted to.
        own_error: The table's own estimate of its mean relative error.
        networks: Those of random widths.
    """

    full_ms: float
    blocks: tuple[int, int]
    measured: int
    own_error: float
    networks: tuple[Predicted, ...]

    def text(self) -> str:
        """Give the networks as a table in Markdown, and the errors as a sentence."""
        errors = np.abs([each.error for each in self.networks])
        rows = [
            f"| {n + 1} | {each.predicted_ms:.3f} | {each.measured_ms:.3f} | {100 * each.error:+.1f} % |"
            for n, each in enumerate(self.networks)
        ]
        within = int((errors <= 0.1).sum())
        of_table = (
            f"full width {self.full_ms:.3f} ms; {self.measured} networks measured, stairs of {self.blocks[0]} outputs "
            f"and {self.blocks[1]} inputs; mean error in cross-validation {100 * self.own_error:.1f} %"
        )
        of_networks = (
            f"{len(errors)} random networks: mean error {100 * errors.mean():.1f} %, median "
            f"{100 * np.median(errors):.1f} %, largest {100 * errors.max():.1f} %, {within} within 10 %"
        )
        head = ["| network | predicted, ms | measured, ms | error |", "| --- | --- | --- | --- |"]
        return "\n".join([*head, *rows, "", of_table, of_networks, ""])


def study(checkpoint: Path, bench: EngineBench, *, networks: int, round_to: int, folder: Path) -> Study:
    """Measure a table and hold it against networks of random widths, each made the long way.

    Args:
        checkpoint: The network.
        bench: Where and how.
        networks: How many.
        round_to: Fewer channels are a multiple of this.
        folder: Where pruned checkpoints are written.
    """
    from ...compress.checkpoint import load_checkpoint, save_checkpoint
    from ...compress.methods.prune.width_groups import narrow, network_shape

    shape = network_shape(load_checkpoint(checkpoint).inspector, round_to=round_to)
    table = bench.table(checkpoint, shape)
    random = np.random.default_rng(_SEED)
    found = []
    for number in range(networks):
        print_progress("random network", number + 1, networks)
        widths, pruned = random_widths(shape, random), load_checkpoint(checkpoint)
        narrow(pruned.inspector, widths)
        save_checkpoint(folder / "random.safetensors", pruned)
        measured_ms = bench.engine_ms(folder / "random.safetensors")
        found.append(Predicted(predicted_ms=table.predicted_ms(widths), measured_ms=measured_ms))
    return Study(
        full_ms=table.samples[0].engine_ms,
        blocks=table.blocks,
        measured=len(table.samples),
        own_error=table.error,
        networks=tuple(found),
    )


def main(argv: Sequence[str]) -> int:
    """Print the figures; `--json` prints one object instead. 2 after an error that a user can correct."""
    options = _options(argv)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="beltline-table-"))
    try:
        checkpoint = options.checkpoint or folder / "untrained.safetensors"
        if options.checkpoint is None:
            write_untrained(checkpoint, json.loads(options.network), _square(options.size, options.channels))
        bench = local_bench(
            options.backend,
            noise_frames(_frame_of(checkpoint)),
            int8=options.int8,
            threads=options.threads,
            folder=folder,
        )
        found = study(checkpoint, bench, networks=options.networks, round_to=options.round_to, folder=folder)
    except BeltlineError as error:
        sys.stderr.write(f"latency_table: {error}\n")
        return error.exit_code
    plain: dict[str, Any] = {**asdict(found), "errors": [each.error for each in found.networks]}
    sys.stdout.write(json.dumps(plain) + "\n" if options.json else "\n" + found.text())
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="latency_table", description="How well does a latency table predict?")
    parser.add_argument("--checkpoint", type=Path, default=None, help="a model.safetensors of a run")
    parser.add_argument("--network", default='{"family": "plain", "width": 24}', help="else this one, untrained")
    parser.add_argument("--size", type=int, default=160, help="its input's edge in pixels")
    parser.add_argument("--channels", type=int, default=1, help="of its frames")
    parser.add_argument("--backend", default="open_vino", help="such as open_vino or onnx_runtime")
    parser.add_argument("--int8", action="store_true", help="quantized first")
    parser.add_argument("--networks", type=int, default=NETWORKS, help="of random widths")
    parser.add_argument("--round-to", type=int, default=8, help="fewer channels are a multiple of this")
    parser.add_argument("--threads", type=int, default=None, help="of the engine; else one per physical core")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for what is measured, to go on from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(argv)


def _square(edge: int, channels: int) -> FrameSpec:
    return FrameSpec(
        height=edge,
        width=edge,
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        frame_height=edge,
        frame_width=edge,
    )


def _frame_of(checkpoint: Path) -> FrameSpec:
    from ...compress.checkpoint import read_header

    return FrameSpec.from_json(read_header(checkpoint)["frame"])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
