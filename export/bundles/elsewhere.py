"""A bundle's models for other programs: plain files with their facts inside, and a repository for model servers.

The keys below `model_info` are those that OpenVINO Model API reads, from an IR's `rt_info` or an ONNX file's
`metadata_props` (there the path of a key is written with spaces). The repository has the layout that OpenVINO Model
Server and Triton share: `<model>/<version>/`, with Triton's `config.pbtxt` and Model Server's `config.json`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import quoteattr

from ...inspection.base.errors import BundleError
from ...inspection.base.storage import new_folder, write_bytes, write_json
from .golden import Golden
from .manifest import Manifest, ModelFacts
from .reading import Unpacked, open_bundle

LABELS = "Good Defective"
_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2  # of ModelProto and StringStringEntryProto (onnx.proto3)
_PLATFORMS = {".xml": 'backend: "openvino"', ".onnx": 'platform: "onnxruntime_onnx"'}


def unpack_elsewhere(path: Path, folder: Path, *, key: Path | None = None) -> dict[str, Any]:
    """Write a bundle's models so that programs other than Beltline run them, whole or not at all.

    `folder` gets `inspector.json` (threshold, frame and versions), a folder for each runtime with the plain model,
    `repository/` for model servers, and the rest of the bundle: golden frames with what is expected of them, report,
    licence and list of parts.

    Args:
        path: The bundle.
        folder: To be made; must not be there.
        key: Public key that must have signed the bundle.

    Returns:
        What stands in `inspector.json`, and `signer`: who vouches for the bundle.

    Raises:
        BundleError: The bundle is damaged, forged or hostile, or no model in it is an ONNX file or OpenVINO's IR.
        StorageError: The folder is there already, or cannot be written.
    """
    if folder.exists():
        msg = f"--unpack: wanted a folder that is not there yet, got {folder}; name another one, or remove it"
        raise BundleError(msg)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with open_bundle(path, key=key) as bundle, TemporaryDirectory(prefix="beltline-") as own, new_folder(folder) as new:
        unpacked = bundle.unpack(Path(own))
        models = [model for model in bundle.manifest.models if Path(model.path).suffix in _PLATFORMS]
        if not models:
            kinds = ", ".join(f"{each.backend} ({Path(each.path).suffix})" for each in bundle.manifest.models)
            msg = f"--unpack: wanted a model as ONNX or OpenVINO's IR, got {kinds}; bundle a row for such a runtime"
            raise BundleError(msg)
        names = [_name(bundle.manifest, model, alone=len(models) == 1) for model in models]
        written = [_written(new, unpacked, model, name) for model, name in zip(models, names, strict=True)]
        facts = _facts(bundle.manifest, written)
        write_json(new / "inspector.json", facts)
        configs = [{"config": {"name": name, "base_path": f"/models/{name}"}} for name in names]
        write_json(new / "repository" / "config.json", {"model_config_list": configs})
        for each in (name.path for name in bundle.manifest.files if not name.path.startswith("models/")):
            (new / each).parent.mkdir(exist_ok=True)
            shutil.copyfile(unpacked.folder / each, new / each)
        return {**facts, "signer": bundle.signer.text}


def model_info(manifest: Manifest, model: ModelFacts) -> dict[str, str]:
    """Give what is written into a model file, below `model_info`."""
    return {
        "model_type": "AnomalyDetection",
        "task": "classification",
        "labels": LABELS,
        "image_threshold": repr(model.threshold),
        "normalization_scale": "1.0",
        "model_name": model.row,
        "model_version": manifest.version,
        "beltline_precision": model.precision,
        "beltline_line": manifest.line,
        "beltline_product": manifest.product,
        "beltline_frame": json.dumps(model.frame.to_json(), sort_keys=True),
    }


def with_info_in_ir(xml: bytes, info: Mapping[str, str]) -> bytes:
    """Add `model_info` to an IR's own `rt_info`, which is its last element.

    >>> with_info_in_ir(b"<net><edges/><rt_info></rt_info></net>", {"task": "a<b"})
    b'<net><edges/><rt_info><model_info><task value="a&lt;b"/></model_info></rt_info></net>'
    >>> with_info_in_ir(b"<net><edges/></net>", {"task": "a"})
    b'<net><edges/><rt_info><model_info><task value="a"/></model_info></rt_info></net>'
    """
    entries = "".join(f"<{name} value={quoteattr(value)}/>" for name, value in info.items())
    block = f"<model_info>{entries}</model_info>".encode()
    head, end, tail = xml.rpartition(b"</rt_info>")
    if end and not tail.replace(b"</net>", b"").strip():
        return head + block + end + tail
    head, end, tail = xml.rpartition(b"</net>")
    return head + b"<rt_info>" + block + b"</rt_info>" + end + tail


def with_info_in_onnx(model: bytes, info: Mapping[str, str]) -> bytes:
    """Add `model_info` to an ONNX file: entries of a repeated field may follow at the end (protobuf encoding)."""
    pairs = ((f"model_info {name}".encode(), text.encode()) for name, text in info.items())
    entries = (_field(_KEY, name) + _field(_VALUE, text) for name, text in pairs)
    return model + b"".join(_field(_METADATA_PROPS, entry) for entry in entries)


def _written(new: Path, unpacked: Unpacked, model: ModelFacts, name: str) -> dict[str, Any]:
    """Write a model's files with its facts inside, plain and into the repository."""
    manifest, main = unpacked.manifest, unpacked.folder / model.path
    info, version = model_info(manifest, model), str(max(1, manifest.number))
    content = main.read_bytes()
    content = with_info_in_ir(content, info) if main.suffix == ".xml" else with_info_in_onnx(content, info)
    files = {f"model{main.suffix}": content}
    if main.suffix == ".xml":
        files["model.bin"] = main.with_suffix(".bin").read_bytes()
    served = new / "repository" / name
    for place in (new / model.backend, served / version):
        place.mkdir(parents=True)
        for file, raw in files.items():
            write_bytes(place / file, raw)
    write_bytes(served / "config.pbtxt", _triton_config(model, name, unpacked.golden()).encode())
    return {
        "row": model.row,
        "backend": model.backend,
        "precision": model.precision,
        "path": f"{model.backend}/model{main.suffix}",
        "served_as": name,
        "served_version": int(version),
        "threshold": model.threshold,
        "rejects": "score >= threshold",
        "verdict": model.verdict,
        "frame": model.frame.to_json(),
        "input": {"name": "frame", "type": "uint8", "layout": "HWC", "shape": _shape(model)},
        "outputs": {
            "score": "float32, a number in [0, 1]",
            "heatmap": "uint8, HW, 255 = surely defective there",
            **({"kinds": f"uint8, CHW, heatmaps of {', '.join(model.frame.kinds)}"} if model.frame.kinds else {}),
        },
        "measured_with": dict(model.runtime),
    }


def _facts(manifest: Manifest, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "bundle": manifest.version,
        "digest": manifest.digest,
        "line": manifest.line,
        "product": manifest.product,
        "number": manifest.number,
        "expires": manifest.expires,
        "beltline": manifest.beltline,
        "period_ms": manifest.budget.period_ms,
        "deadline_ms": manifest.budget.deadline_ms,
        "cautions": list(manifest.cautions),
        "models": list(models),
    }


def _name(manifest: Manifest, model: ModelFacts, *, alone: bool) -> str:
    return manifest.product if alone else f"{manifest.product}-{model.backend}"


def _shape(model: ModelFacts) -> list[int]:
    """Give height, width and channels of what the graph is given; -1: any."""
    frame = model.frame.in_graph
    return [frame.frame_height or -1, frame.frame_width or -1, frame.channels]


def _triton_config(model: ModelFacts, name: str, golden: Golden) -> str:
    """Write a model's configuration (Triton, model_configuration.md); a score is a scalar, which Triton reshapes."""
    dims = ", ".join(map(str, _shape(model)))
    about = f"{len(golden.frames)} golden frames, rejects from {model.threshold!r}"
    kinds = (
        f',\n  {{ name: "kinds" data_type: TYPE_UINT8 dims: [ {len(model.frame.kinds)}, -1, -1 ] }}'
        if model.frame.kinds
        else ""
    )
    return f"""\
# {model.row}, {model.precision}: one frame a request, no batches; {about}.
name: "{name}"
{_PLATFORMS[Path(model.path).suffix]}
max_batch_size: 0
input [ {{ name: "frame" data_type: TYPE_UINT8 dims: [ {dims} ] }} ]
output [
  {{ name: "score" data_type: TYPE_FP32 dims: [ 1 ] reshape {{ shape: [ ] }} }},
  {{ name: "heatmap" data_type: TYPE_UINT8 dims: [ -1, -1 ] }}{kinds}
]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""


def _field(number: int, content: bytes) -> bytes:
    """Write a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*raw, value])
