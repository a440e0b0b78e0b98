"""The Open Inference Protocol, spoken by NVIDIA's own client, which nobody here wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from beltline.export.contracts import Frame

triton = pytest.importorskip("tritonclient.http")


@pytest.fixture
def client(running: Any) -> Iterator[Any]:
    made = triton.InferenceServerClient(f"127.0.0.1:{running.port}", connection_timeout=60, network_timeout=60)
    yield made
    made.close()


def asked(frame: Frame, *, binary: bool = True) -> list[Any]:
    given = triton.InferInput("frame", list(frame.shape), "UINT8")
    given.set_data_from_numpy(frame, binary_data=binary)
    return [given]


def test_health_and_metadata(client: Any, running: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    version = running.service.at_work.version
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", version)
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    model = client.get_model_metadata("tiny")
    assert (model["name"], model["versions"]) == ("tiny", [version])
    assert model["inputs"] == [{"name": "frame", "datatype": "UINT8", "shape": [-1, -1, 1]}]
    assert [each["name"] for each in model["outputs"]] == ["score", "reject", "standing", "review", "findings"]


@pytest.mark.parametrize("binary", [True, False])
def test_decisions_are_those_of_the_bundle(client: Any, bundle: Any, frames: list[Frame], binary: bool) -> None:
    golden = bundle.parts.golden
    for place, frame in enumerate(frames):
        result = client.infer("tiny", asked(frame, binary=binary), request_id=f"part {place}")
        assert result.get_response()["id"] == f"part {place}"
        (score,), (reject,) = result.as_numpy("score"), result.as_numpy("reject")
        assert score == pytest.approx(golden.scores["onnx_runtime"][place], abs=1e-6)
        assert bool(reject) == golden.rejects["onnx_runtime"][place]
        assert result.as_numpy("standing").tolist() == [b"answered"]


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_can_be_chosen(client: Any, frames: list[Frame], binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("reject", binary_data=binary)]
    result = client.infer("tiny", asked(frames[0]), outputs=wanted)
    assert result.as_numpy("reject").dtype == np.bool_
    assert result.as_numpy("score") is None


def test_a_batch_of_one_is_taken(client: Any, frames: list[Frame]) -> None:
    given = triton.InferInput("frame", [1, *frames[0].shape], "UINT8")
    given.set_data_from_numpy(frames[0][None])
    assert client.infer("tiny", [given]).as_numpy("score").shape == (1,)


def test_several_at_once_are_all_answered(running: Any, bundle: Any, frames: list[Frame]) -> None:
    client = triton.InferenceServerClient(f"127.0.0.1:{running.port}", concurrency=4, network_timeout=60)
    waiting = [client.async_infer("tiny", asked(frame)) for frame in frames[:8]]
    scores = [each.get_result().as_numpy("score")[0] for each in waiting]
    client.close()
    assert scores == pytest.approx(bundle.parts.golden.scores["onnx_runtime"][:8], abs=1e-6)


def test_mistakes_are_answered_with_what_was_wanted(client: Any, frames: list[Frame]) -> None:
    with pytest.raises(triton.InferenceServerException, match="wanted the model 'tiny'"):
        client.infer("other", asked(frames[0]))
    wrong = triton.InferInput("frame", [2, 2, 3], "UINT8")
    wrong.set_data_from_numpy(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(triton.InferenceServerException, match=r"wanted the shape \[height, width, 1\]"):
        client.infer("tiny", [wrong])
    with pytest.raises(triton.InferenceServerException, match="wanted outputs among"):
        client.infer("tiny", asked(frames[0]), outputs=[triton.InferRequestedOutput("heat")])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_packed_requests_are_taken(client: Any, bundle: Any, frames: list[Frame], encoding: str) -> None:
    result = client.infer("tiny", asked(frames[0]), request_compression_algorithm=encoding)
    assert result.as_numpy("score")[0] == pytest.approx(bundle.parts.golden.scores["onnx_runtime"][0], abs=1e-6)
