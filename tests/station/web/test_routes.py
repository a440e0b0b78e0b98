"""What the station answers over HTTP, asked over real connections of a station with a real engine."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.contracts import Frame


def eventually(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not met():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def png(frame: Frame) -> bytes:
    return bytes(cv2.imencode(".png", frame)[1])


def test_posted_frames_are_answered_as_the_bundle_decides(running: Any, bundle: Any, frames: list[Frame]) -> None:
    golden = bundle.parts.golden
    for place, frame in enumerate(frames):
        status, facts = running.json(f"/frames?name=part%20{place}", png(frame))
        assert status == 200
        assert facts["score"] == pytest.approx(golden.scores["onnx_runtime"][place], abs=1e-6)
        assert (facts["answer"] == "reject") == golden.rejects["onnx_runtime"][place]
        assert (facts["source"], facts["name"], facts["standing"]) == ("http", f"part {place}", "answered")


def test_a_frame_that_cannot_be_read_is_a_part_all_the_same(running: Any, frames: list[Frame]) -> None:
    before = running.service.counters.snapshot()
    for broken in (b"", b"no image", png(frames[0])[:-40], b"\x89PNG\r\n\x1a\n" + bytes(40)):
        status, facts = running.json("/frames", broken)
        assert (status, facts["standing"], facts["answer"]) == (422, "faulty", "reject")
        assert facts["detail"]
    after = running.service.counters.snapshot()
    assert after.faulty == before.faulty + 4
    assert after.under_way == 0


def test_a_small_file_with_huge_dimensions_is_not_decoded(running: Any) -> None:
    header = b"\x00\x00\x00\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    status, facts = running.json("/frames", b"\x89PNG\r\n\x1a\n" + header + bytes(60))
    assert (status, facts["standing"]) == (422, "faulty")


def test_a_picture_is_counted_with_its_own_channels_and_depth(running: Any) -> None:
    """The model takes grey frames; the file has four channels of 16 bits."""
    bomb = bytes(cv2.imencode(".png", np.zeros((500, 500, 4), np.uint16))[1])
    assert len(bomb) < 20_000
    status, facts = running.json("/frames", bomb)
    assert (status, facts["standing"]) == (422, "faulty")
    assert "wanted at most 1 MB decoded, got 500 x 500 pixels of 8 bytes" in facts["detail"]


def test_bodies_that_are_too_large_or_compressed_are_refused(running: Any) -> None:
    status, facts = running.json("/frames", bytes(1_200_000))
    assert status == 413
    assert "error" in facts
    status, facts = running.json("/frames", b"x", {"Content-Encoding": "br"})
    assert (status, facts["error"]) == (415, "wanted a body as it is, or in gzip or deflate, got br")


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)]
)
def test_packed_bodies_are_unpacked(running: Any, frames: list[Frame], encoding: str, pack: Any) -> None:
    headers = {"Content-Encoding": encoding}
    plain = running.json("/frames", png(frames[0]))
    status, facts = running.json("/frames", pack(png(frames[0])), headers)
    assert (status, facts["score"]) == (200, plain[1]["score"])
    for damaged, message in (
        (b"no gzip at all", "damaged"),
        (pack(png(frames[0]))[:-9], "cut short"),
        (pack(bytes(900_000)) + b"more", "more behind it"),
        (pack(bytes(30_000_000)), "got more once it was unpacked"),
    ):
        status, facts = running.json("/frames", damaged, headers)
        assert status == 400
        assert message in facts["error"]


@pytest.mark.parametrize("name", [7, 2.5, -1, "a", ""])
def test_ids_may_be_texts_or_numbers(running: Any, frames: list[Frame], name: Any) -> None:
    status, facts = infer(running, frames[0], {"id": name})
    assert (status, facts["id"]) == (200, name)
    assert type(facts["id"]) is type(name)


@pytest.mark.parametrize("request_id", [{}, {"id": None}])
def test_without_an_id_none_is_given_back(running: Any, frames: list[Frame], request_id: dict[str, None]) -> None:
    status, facts = infer(running, frames[0], request_id)
    assert status == 200
    assert "id" not in facts


@pytest.mark.parametrize("name", [True, [], {}, "x" * 201, 10**201])
def test_other_ids_are_refused(running: Any, frames: list[Frame], name: Any) -> None:
    status, facts = infer(running, frames[0], {"id": name})
    assert status == 400
    assert "wanted an id" in facts["error"]


def infer(running: Any, frame: Frame, named: dict[str, Any]) -> tuple[int, Any]:
    height, width, channels = frame.shape
    tensor = {"name": "frame", "datatype": "UINT8", "shape": [height, width, channels], "data": frame.ravel().tolist()}
    return running.json("/v2/models/tiny/infer", json.dumps({"inputs": [tensor], **named}).encode())


def test_every_rejected_frame_reaches_the_ring_and_every_outcome_the_file(running: Any, frames: list[Frame]) -> None:
    for frame in frames:
        running.json("/frames", png(frame))
    rejected = running.service.counters.snapshot()
    path = running.service.settings.results[0].settings.path

    def notified() -> bool:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return len(lines) == rejected.offered

    eventually(notified)
    eventually(lambda: running.front.ring.tally().stored > 0)
    dropped = running.service.counters.snapshot().dropped
    assert dropped.get("json_lines", 0) == 0
    answers = [json.loads(line)["answer"] for line in path.read_text("utf-8").splitlines()]
    assert answers.count("reject") == rejected.rejected


def test_metrics_hold_what_was_counted(running: Any, frames: list[Frame]) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    running.json("/frames", png(frames[0]))
    status, headers, text = running.ask("/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    tally = running.service.counters.snapshot()
    assert found["beltline_frames_total", "answered"] == tally.answered > 0
    assert found["beltline_frames_total", "faulty"] == tally.faulty
    assert found["beltline_frames_offered_total", "http"] == tally.by_source["http"]
    assert found["beltline_latency_seconds_bucket", "+Inf"] == tally.latency_ms.count
    assert found["beltline_latency_seconds_count",] == tally.latency_ms.count
    assert found["beltline_latency_seconds_sum",] == pytest.approx(tally.latency_ms.total / 1000)
    assert found["beltline_score_count",] == tally.scores.count
    assert found["beltline_queue_frames",] == 0
    assert found["beltline_bundle", tally.bundle] == 1
    edges = [key for key in found if key[0] == "beltline_latency_seconds_bucket"]
    counts = [found[key] for key in edges]
    assert counts == sorted(counts)
    assert len(edges) == 31


def test_live_facts_hold_light_counts_and_pictures(running: Any, frames: list[Frame], bundle: Any) -> None:
    rejects = bundle.parts.golden.rejects["onnx_runtime"]
    running.json("/frames", png(frames[rejects.index(True)]))
    eventually(lambda: bool(running.json("/live.json")[1]["frames"]))
    _, facts = running.json("/live.json")
    assert facts["light"]["state"] == "reject"
    assert facts["cautions"] == list(bundle.parts.cautions)
    key = facts["frames"][0]["key"]
    status, headers, picture = running.ask(f"/live/{key}.jpg")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert picture.startswith(b"\xff\xd8\xff")
    assert running.ask("/live/999999.jpg")[0] == 404
    time.sleep(0.3)
    assert isinstance(running.json("/live.json")[1]["rate_per_s"], float)


def test_unknown_paths_and_methods_are_answered_as_the_protocol_wants(running: Any) -> None:
    for path, method, expected in (("/nothing", "GET", 404), ("/frames", "GET", 405), ("/../etc/passwd", "GET", 404)):
        status, headers, body = running.ask(path, method=method)
        assert status == expected
        assert "error" in json.loads(body)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
