"""The self-test in a process of its own: a model that never ends, or takes all memory, is killed at its limit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from beltline.export.artifacts import digest_of_artifact
from beltline.export.bundles.reading import open_bundle
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import BundleError, ParityError
from beltline.station.versions import self_test as module
from beltline.station.versions.activation import Places, current_activation
from beltline.station.versions.admission import verify_bundle
from beltline.station.versions.installing import InstallOptions, install
from beltline.station.versions.self_test import Limits, self_test, usual_limits
from beltline.targets.host import LocalHost
from onnx import TensorProto, helper, numpy_helper


def looping(model: onnx.ModelProto, rounds: int, grown: int) -> onnx.ModelProto:
    """Let a Loop of so many rounds run before the score is given; each round holds `grown` floats."""
    import numpy as np

    score = next(each.name for each in model.graph.output if each.name == "score")
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == score:
                node.output[place] = "score_before"
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Cos", ["before"], ["after"]),
            helper.make_node("ConstantOfShape", ["wide"], ["held"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
            helper.make_tensor_value_info("held", TensorProto.FLOAT, None),
        ],
    )
    for name, value in (
        ("rounds", np.array(rounds, np.int64)),
        ("always", np.array(True)),
        ("wide", np.array([grown])),
    ):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    model.graph.node.extend(
        [
            helper.make_node("Loop", ["rounds", "always", "score_before"], ["looped", "all_held"], body=body),
            helper.make_node("Mul", ["looped", "score_before"], [score]),
        ]
    )
    return model


@pytest.fixture
def hostile(bundle: Any, tmp_path: Path) -> Callable[..., Path]:
    """Make a bundle whose model has a loop in it; signed as its maker would."""

    def make(*, rounds: int, grown: int) -> Path:
        first = bundle.parts.models[0]
        path = tmp_path / "hostile" / "model.onnx"
        path.parent.mkdir()
        onnx.save(looping(onnx.load(str(first.artifact.path)), rounds, grown), str(path))
        artifact = replace(first.artifact, path=path, digest=digest_of_artifact(path), size_bytes=path.stat().st_size)
        parts = replace(bundle.parts, models=(replace(first, artifact=artifact),))
        write_bundle(tmp_path / "hostile.beltline", parts, key=bundle.key)
        return tmp_path / "hostile.beltline"

    return make


def limited(monkeypatch: pytest.MonkeyPatch, *, seconds: float, memory_bytes: int = 8 << 30) -> None:
    monkeypatch.setattr(module, "usual_limits", lambda _task: Limits(seconds=seconds, memory_bytes=memory_bytes))


def test_a_loop_without_end_is_killed_and_a_rollback_need_not_wait_for_it(
    hostile: Callable[..., Path], both: Places, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile(rounds=2**62, grown=1)
    limited(monkeypatch, seconds=20)
    raised: list[BaseException] = []

    def try_it() -> None:
        try:
            install(path, both, InstallOptions())
        except BundleError as error:
            raised.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    until = time.monotonic() + 15
    while not list(both.versions.glob(".*.tmp/models/*/model.onnx")) and time.monotonic() < until:
        time.sleep(0.02)
    begin = time.monotonic()
    assert rolled_back_elsewhere(both) == pair.old_version
    assert thread.is_alive(), f"the rollback took {time.monotonic() - begin:.1f} s: too slow to show anything"
    thread.join(60)
    assert "wanted a self-test that takes at most 20 s, got more" in str(raised[0])
    now = current_activation(both)
    assert now is not None
    assert now.version == pair.old_version
    assert sorted(each.name for each in both.versions.iterdir()) == sorted([pair.old_version, pair.new_version])


def rolled_back_elsewhere(places: Places) -> str:
    """Roll back in another process, as a station does: a record lock does not keep out its own process."""
    environment = {**os.environ, "PYTHONPATH": LocalHost().import_path}
    argv = [sys.executable, "-m", "beltline.station.versions.rollback", str(places.root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_model_that_takes_all_memory_is_killed(
    hostile: Callable[..., Path], bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, seconds=120, memory_bytes=1 << 30)
    with pytest.raises(BundleError, match=r"at most 1,073,741,824 bytes of memory, got \d,"):
        verify_bundle(hostile(rounds=2**62, grown=32 << 20), key=bundle.public)


def test_what_the_process_says_comes_back_as_the_same_error(pair: Any, tmp_path: Path) -> None:
    with open_bundle(pair.old) as opened:
        unpacked = opened.unpack(tmp_path)
    tested = self_test(unpacked, notify=pytest.fail)
    assert [each.frames for each in tested.proven] == [12]
    golden = tmp_path / "golden.json"
    golden.write_bytes(
        golden.read_bytes().replace(b"true", b"other").replace(b"false", b"true").replace(b"other", b"false")
    )
    damaged = unpacked.manifest.model_copy(update={"files": ()})
    with pytest.raises(BundleError, match=r"golden\.json is not the file"):
        self_test(replace(unpacked, manifest=damaged), notify=pytest.fail)


def test_a_process_that_dies_or_chatters_is_one_message(
    pair: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_bundle(pair.old) as opened:
        unpacked = opened.unpack(tmp_path)
    for program, message in (
        ("import os; os.kill(os.getpid(), 11)", "ended with code -11 and no answer"),
        ("print('{\"done\": {}}')", "no sound answer"),
        ("print('[1]\\nnoise\\n{}')", "ended with code 0 and no answer"),
        ("while True: print('x' * 100000)", "an answer of at most 4,194,304 bytes"),
        ('print(\'{"error": "flipped", "kind": "ParityError"}\')', "flipped"),
    ):
        script = tmp_path / "program.py"
        script.write_text(program + "\n")
        (tmp_path / "python").write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
        (tmp_path / "python").chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(tmp_path / "python"))
            with pytest.raises((BundleError, ParityError), match=message):
                self_test(unpacked, notify=pytest.fail)


def test_the_usual_limits_leave_a_small_machine_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": (2 << 30) // 4096}.__getitem__)
    assert usual_limits("test") == Limits(seconds=300.0, memory_bytes=3 << 29)
    assert usual_limits("build").seconds == 3600.0
