"""How far off is a prediction? `python -m beltline.studies.compression.published_times`.

Roofline predictions for the Jetson Orin Nano 8GB against times that others published for it: TensorRT 10.3, one frame
of 224 x 224 at a time. In which power mode those were taken is not known, so each mode's prediction is shown. A ratio
above 1 says by how much the true time is longer than predicted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean

from ...export.device_check.graph_index import index_of
from ...export.layer_work import layer_work
from ...targets.profile import profile_of
from ...targets.roofline import Arithmetic, LayerWork, predicted_ms

DEVICE = "jetson-orin-nano"
PUBLISHED_MS: Mapping[str, Mapping[Arithmetic, float]] = {
    "resnet18": {"fp16": 0.758, "int8": 0.485},
    "resnet50": {"fp16": 1.814, "int8": 1.190},
    "mobilenetv2_100": {"fp16": 0.850, "int8": 0.781},
}
"""By timm's name of the network, which is torchvision's in all three cases."""

_EDGE = 224


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One prediction against the published time.

    Attributes:
        network: timm's name.
        arithmetic: Of the engine.
        mode: Power mode that is predicted for.
        predicted_ms: From data sheets.
        published_ms: By others.
        ratio: Published by predicted.
    """

    network: str
    arithmetic: Arithmetic
    mode: str
    predicted_ms: float
    published_ms: float
    ratio: float


def study() -> list[Compared]:
    """Predict every published time in every power mode; networks are built without trained weights."""
    return [each for network in PUBLISHED_MS for each in _compared(network, _layers_of(network))]


def _compared(network: str, layers: Sequence[LayerWork]) -> Iterator[Compared]:
    for roofline in profile_of(DEVICE).rooflines:
        for arithmetic, published in PUBLISHED_MS[network].items():
            predicted = predicted_ms(layers, roofline, arithmetic)
            yield Compared(
                network=network,
                arithmetic=arithmetic,
                mode=roofline.mode,
                predicted_ms=round(predicted, 4),
                published_ms=published,
                ratio=round(published / predicted, 3),
            )


def _layers_of(network: str) -> tuple[LayerWork, ...]:
    import timm
    import torch

    model = timm.create_model(network, pretrained=False).eval()
    with tempfile.TemporaryDirectory(prefix="beltline-published-") as folder:
        path = Path(folder) / "model.onnx"
        example = (torch.zeros(1, 3, _EDGE, _EDGE),)
        torch.onnx.export(model, example, path, dynamo=True, external_data=False, verbose=False)
        return layer_work(index_of(path))


def main(argv: Sequence[str]) -> int:
    """Print the table; `--json` prints one object instead."""
    parser = argparse.ArgumentParser(prog="published_times", description="How far off is a prediction?")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    rows = study()
    sys.stdout.write(json.dumps([asdict(row) for row in rows]) + "\n" if options.json else text(rows))
    return 0


def text(rows: Sequence[Compared]) -> str:
    """Give the table, and for each power mode the mean ratio."""
    lines = ["| network | arithmetic | power mode | predicted | published | ratio |", "| --- " * 6 + "|"]
    for row in rows:
        times = f"{row.predicted_ms:.3f} ms | {row.published_ms:.3f} ms | {row.ratio:.2f}"
        lines.append(f"| {row.network} | {row.arithmetic} | {row.mode} | {times} |")
    lines.append("")
    for mode in dict.fromkeys(row.mode for row in rows):
        ratios = [row.ratio for row in rows if row.mode == mode]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}, geometric mean {geometric_mean(ratios):.2f}"
        lines.append(f"{mode}: published times are {spread} times the predicted ones.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
