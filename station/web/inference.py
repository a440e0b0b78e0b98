"""The Open Inference Protocol v2 over HTTP: what a request says, and how an outcome is answered.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; for tensors as raw bytes behind the
JSON, triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import DataError
from ...inspection.data.frame import FrameSpec
from ..outcomes import Outcome
from .facade import Served

INPUT = "frame"
OUTPUTS = {"score": "FP32", "reject": "BOOL", "standing": "BYTES", "review": "BOOL", "findings": "BYTES"}
"""`findings` is a text: a JSON list."""

MOST_JSON_BYTES = 256 << 10
"""Parsing holds Python's lock; this much costs a few ms. Larger frames travel as raw bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """A checked request.

    Attributes:
        id: The client's own, a text or a number; given back. None: it gave none.
        image: uint8 `[height, width, channels]`; a view into the body where it came as raw bytes.
        outputs: Names to give, and whether as raw bytes.
        product: What the frame shows, of the request's parameters; empty: it does not say.
    """

    id: str | float | None
    image: NDArray[np.uint8]
    outputs: Mapping[str, bool]
    product: str = ""


def infer_request(body: bytes, json_bytes: int | None, spec: FrameSpec) -> InferRequest:
    """Read a request's body.

    Args:
        body: All of it.
        json_bytes: Value of the header `Inference-Header-Content-Length`; None: all of it is JSON.
        spec: What the model takes.

    Raises:
        DataError: It is not as the protocol wants it, or no frame that the model takes.
    """
    size = len(body) if json_bytes is None else json_bytes
    if not 2 <= size <= min(len(body), MOST_JSON_BYTES):
        _refuse(f"wanted at most {MOST_JSON_BYTES} bytes of JSON (send larger tensors as binary data), got {size}")
    request = _object(body[:size])
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        _refuse(f"wanted one input, {INPUT!r}, got {_quoted(inputs)}")
    name = request.get("id")
    number = isinstance(name, int | float) and not isinstance(name, bool) and math.isfinite(name)
    if not (name is None or number or isinstance(name, str)) or len(str(name)) > 200:
        _refuse("wanted an id of at most 200 characters, a text or a number")
    image = _image(inputs[0], memoryview(body)[size:], spec)
    return InferRequest(id=name, image=image, outputs=_wanted(request), product=_product(request))


def infer_response(request: InferRequest, outcome: Outcome, served: Served) -> tuple[bytes, int | None]:
    """Write an answer.

    Returns:
        The body, and the length of the JSON at its start where raw bytes follow.
    """
    values = {
        "score": float("nan") if outcome.score is None else outcome.score,
        "reject": outcome.answer == "reject",
        "standing": outcome.standing,
        "review": outcome.review,
        "findings": json.dumps([dict(each) for each in outcome.findings], separators=(",", ":"), allow_nan=False),
    }
    outputs, tail = [], b""
    for name, binary in request.outputs.items():
        raw = _raw(values[name])
        content = {"parameters": {"binary_data_size": len(raw)}} if binary else {"data": [_plain(values[name])]}
        outputs.append({"name": name, "datatype": OUTPUTS[name], "shape": [1], **content})
        tail += raw if binary else b""
    named = {} if request.id is None else {"id": request.id}
    answer = {"model_name": served.name, "model_version": outcome.bundle, **named, "outputs": outputs}
    head = json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()
    return head + tail, len(head) if tail else None


def model_facts(served: Served) -> dict[str, Any]:
    """Give the model's metadata, as the protocol has it."""
    height, width = served.frame.frame_height or -1, served.frame.frame_width or -1
    shape = [height, width, served.frame.frame_channels]
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": f"beltline_{served.backend}",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": shape}],
        "outputs": [{"name": name, "datatype": kind, "shape": [1]} for name, kind in OUTPUTS.items()],
    }


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"not JSON: {str(error)[:200]}")
    if not isinstance(found, dict):
        _refuse(f"wanted a JSON object, got {_quoted(found)}")
    return found


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _image(tensor: Mapping[str, Any], tail: memoryview, spec: FrameSpec) -> NDArray[np.uint8]:
    if (tensor.get("name"), tensor.get("datatype")) != (INPUT, "UINT8"):
        got = f"{_quoted(tensor.get('name'))} of type {_quoted(tensor.get('datatype'))}"
        _refuse(f"wanted the input {INPUT!r} of type UINT8, got {got}")
    shape = _shape(tensor.get("shape"), spec)
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        if len(tail):
            _refuse("raw bytes follow the JSON, but no input claims them with binary_data_size")
        return _numbers(tensor.get("data"), shape)
    if type(size) is not int or size != len(tail) or size != shape[0] * shape[1] * shape[2]:
        _refuse(f"shape {list(shape)}, binary_data_size {_quoted(size)} and {len(tail)} raw bytes do not go together")
    return np.frombuffer(tail, np.uint8).reshape(shape)


def _shape(found: Any, spec: FrameSpec) -> tuple[int, int, int]:
    """Take `[height, width, channels]`, also with a batch of one in front, as many clients send it."""
    sizes = found if isinstance(found, list) else []
    if len(sizes) == 4 and sizes[0] == 1:
        sizes = sizes[1:]
    whole = len(sizes) == 3 and all(type(each) is int and 1 <= each <= 65_535 for each in sizes)
    if not whole or sizes[2] != spec.frame_channels:
        _refuse(f"wanted the shape [height, width, {spec.frame_channels}], got {_quoted(found)}")
    wanted = (spec.frame_height or sizes[0], spec.frame_width or sizes[1])
    if not spec.takes(sizes[0], sizes[1]):
        _refuse(f"wanted frames of {wanted[0]} x {wanted[1]} (height x width), got {sizes[0]} x {sizes[1]}")
    return sizes[0], sizes[1], sizes[2]


def _numbers(data: Any, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    try:
        values = np.asarray(data) if isinstance(data, list) else np.empty(0)
    except (ValueError, OverflowError, RecursionError) as error:
        _refuse(f"data: {str(error)[:200]}")
    if values.dtype.kind not in "iu" or values.size != shape[0] * shape[1] * shape[2]:
        _refuse(
            f"data: wanted {shape[0] * shape[1] * shape[2]} whole numbers, got {values.size} of another kind or count"
        )
    if values.min() < 0 or values.max() > 255:
        _refuse(f"data: wanted numbers from 0 to 255, got {values.min()} to {values.max()}")
    return values.astype(np.uint8).reshape(shape)


def _wanted(request: Mapping[str, Any]) -> dict[str, bool]:
    everything = _flag(request, "binary_data_output")
    listed = request.get("outputs")
    if listed is None:
        return dict.fromkeys(OUTPUTS, everything)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        _refuse(f"wanted a list of outputs, got {_quoted(listed)}")
    unknown = [each.get("name") for each in listed if each.get("name") not in tuple(OUTPUTS)]
    if unknown or not listed:
        _refuse(f"wanted outputs among {', '.join(OUTPUTS)}, got {_quoted(unknown[:3])}")
    return {each["name"]: _flag(each, "binary_data") or everything for each in listed}


def _product(request: Mapping[str, Any]) -> str:
    """Give the request's own parameter `product`; empty: there is none."""
    parameters = request.get("parameters")
    product = parameters.get("product", "") if isinstance(parameters, dict) else ""
    if not isinstance(product, str) or len(product) > 64:
        _refuse(f"wanted the product as text of at most 64 characters, got {_quoted(product)}")
    return product


def _flag(holder: Mapping[str, Any], name: str) -> bool:
    parameters = holder.get("parameters")
    return isinstance(parameters, dict) and parameters.get(name) is True


def _raw(value: float | bool | str) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", len(value.encode())) + value.encode()
    return struct.pack("<?" if isinstance(value, bool) else "<f", value)


def _plain(value: float | bool | str) -> float | bool | str | None:
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - JSON has no NaN


def _quoted(value: Any) -> str:
    try:
        return repr(value)[:80]
    except RecursionError:
        return "something nested too deeply"


def _refuse(what: str) -> NoReturn:
    raise DataError(what)
