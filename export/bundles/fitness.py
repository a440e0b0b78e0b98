"""Is this the kind of machine that a bundle was measured on? What cannot hold is refused, what may not is named.

A score hardly depends on the processor, and where it does (an INT8 kernel without a dot product may saturate), the
golden frames show it. Time depends on little else: what was measured on one machine says nothing about another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from typing import Any

from ...inspection.base.errors import BundleError
from ...targets.fingerprint import INT8_DOT_PRODUCT, weight_bits
from ..artifacts import built_where_it_runs
from ..contracts import Precision
from .manifest import Manifest, ModelFacts
from .proof import runtime_missing

_FLOAT = frozenset({"avx2", "avx512f", "asimd", "sve", "sve2"})


def relied_on(precision: Precision, isa: Iterable[str]) -> tuple[str, ...]:
    """Name the instructions of a processor that a model of that precision gets its speed from.

    >>> relied_on("int8", ["avx2", "avx512_vnni", "f16c"]), relied_on("fp32", ["avx2", "avx512_vnni"])
    (('avx512_vnni',), ('avx2',))
    """
    dots = sorted(INT8_DOT_PRODUCT & set(isa)) if precision == "int8" else []
    return tuple(dots or sorted(_FLOAT & set(isa)))


def versions_behind(backend: str, versions: Mapping[str, str]) -> dict[str, str]:
    """Pick a backend's own packages: those whose name begins the backend's, without its underscores.

    >>> versions_behind("onnx_runtime", {"onnxruntime": "1.20", "openvino": "2026.4", "numpy": "2.4"})
    {'numpy': '2.4', 'onnxruntime': '1.20'}
    """
    plain = backend.replace("_", "")
    return {name: found for name, found in sorted(versions.items()) if name == "numpy" or plain.startswith(name)}


def require_architecture(manifest: Manifest, machine: Mapping[str, Any]) -> None:
    """Refuse a bundle that was measured on another architecture; not for a model that is built and measured here.

    Args:
        manifest: Of the bundle.
        machine: This one's `targets.fingerprint`.

    Raises:
        BundleError: It was; the message says what to do.
    """
    here, there = machine["architecture"], manifest.device.architecture
    built_here = (each for each in manifest.models if built_where_it_runs(each.backend))
    if here != there and all(runtime_missing(each) is not None for each in built_here):
        msg = (
            f"wanted a machine with {there} ({manifest.device.cpu}), got {here} ({machine['cpu']}): no figure of this "
            "bundle holds here; measure on such a machine, or pass --other-device to check decisions all the same"
        )
        raise BundleError(msg)


def cautions_for(manifest: Manifest, machine: Mapping[str, Any], *, today: date | None = None) -> tuple[str, ...]:
    """Say in plain sentences what a reader on this machine must know before relying on the bundle.

    Args:
        manifest: Of the bundle.
        machine: This one's `targets.fingerprint`.
        today: None: as this machine's clock has it, which may be wrong: so an expired bundle is never refused.
    """
    device = manifest.device
    sentences = [*manifest.cautions, *expired(manifest, today=today)]
    if machine["architecture"] != device.architecture:
        sentences.append(
            f"measured on {device.architecture}, this machine is {machine['architecture']}: no time in the report "
            "holds here; measure on this machine"
        )
    elif machine["cpu"] != device.cpu:
        sentences.append(f"measured on {device.cpu!r}, this machine has {machine['cpu']!r}: times differ: measure here")
    for model in manifest.models:
        sentences += _of_model(model, machine)
    return tuple(sentences)


def expired(manifest: Manifest, *, today: date | None = None) -> list[str]:
    """Say that a bundle's day is over, if it is; `today` as of `cautions_for`."""
    if manifest.expires is None or (today or datetime.now(tz=timezone.utc).date()) <= date.fromisoformat(
        manifest.expires
    ):
        return []
    return [f"expired on {manifest.expires}: ask whoever made it whether it may still be used; it goes on working"]


def _of_model(model: ModelFacts, machine: Mapping[str, Any]) -> list[str]:
    if (missing := runtime_missing(model)) is not None:
        return [f"{model.row}: {missing}"]
    absent = [each for each in model.relies_on if each not in machine["isa"]]
    sentences = []
    if absent:
        overflows = model.precision == "int8" and weight_bits(machine) < 8
        strays = ", and its scores to differ if its weights have 8 bits" if overflows else ""
        sentences.append(
            f"{model.row} is {model.precision} and was measured with {', '.join(absent)}, which this processor lacks: "
            f"expect it to be slower than the report says{strays}; measure on this machine"
        )
    for package, wanted in model.runtime.items():
        found = machine["versions"].get(package)
        if found is not None and _major(found) != _major(wanted):
            sentences.append(f"{model.row} was measured with {package} {wanted}, here is {found}: another major one")
    return sentences


def _major(version: str) -> str:
    return version.partition(".")[0]
