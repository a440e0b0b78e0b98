"""How fast the devices with a profile could run a model, from their data sheets; never measured, always called so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from ..export.device_check.graph_index import index_of
from ..export.layer_work import layer_work
from ..targets.profile import DeviceProfile, profiles
from ..targets.roofline import Arithmetic, LayerWork, predicted_ms

_CAUTION = (
    "Predicted from data sheets, the network alone: published times on a Jetson were 1.2 to 4.7 times as long "
    "(docs/devices.md). It decides nothing; measure on the device."
)


def predict(path: Path) -> dict[str, Any]:
    """Predict an ONNX file's time on every device whose profile has the figures.

    Args:
        path: Any ONNX file with frames of one size; its own precision plays no part.

    Returns:
        JSON-able: `file`, `layers`, `macs`, `predicted` (always true), `caution`, `rows` (each `device`, `mode`,
        `engine` and `network_ms` by arithmetic), `without` (devices whose figures are not known).

    Raises:
        GraphError: No ONNX file, or the sizes of its layers are not known.
    """
    layers = layer_work(index_of(path))
    known = [profile for profile in profiles().values() if profile.name != "local"]
    return {
        "file": str(path),
        "layers": len(layers),
        "macs": sum(layer.macs for layer in layers),
        "predicted": True,
        "caution": _CAUTION,
        "rows": [row for profile in known for row in _rows(profile, layers)],
        "without": [profile.name for profile in known if not profile.rooflines],
    }


def predictions_text(facts: dict[str, Any], *, verbose: bool = False) -> str:
    """Describe `predict`'s facts; `verbose` changes nothing."""
    del verbose
    columns = get_args(Arithmetic)
    lines = [
        f"{facts['file']}: {facts['layers']} layers, {facts['macs'] / 1e6:,.0f} M multiply-accumulates",
        f"{'predicted, ms a frame':<72}" + "".join(f"{column:>10}" for column in columns),
    ]
    for row in facts["rows"]:
        shown = (row["network_ms"].get(column) for column in columns)
        times = "".join(f"{time:>10.3f}" if time is not None else f"{'':>10}" for time in shown)
        lines.append(f"{row['device']:<24} {row['mode']:<47}" + times)
    lines += [f"not predicted: {', '.join(facts['without'])}", facts["caution"]]
    return "\n".join(lines)


def _rows(profile: DeviceProfile, layers: Sequence[LayerWork]) -> Iterator[dict[str, Any]]:
    for roofline in profile.rooflines:
        peaks = roofline.tera_operations_s
        yield {
            "device": profile.name,
            "mode": roofline.mode,
            "engine": roofline.engine,
            "network_ms": {name: round(predicted_ms(layers, roofline, name), 4) for name in peaks},
        }
