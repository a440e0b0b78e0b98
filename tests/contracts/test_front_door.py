"""`import beltline` is one page: light, typed, and every example of it runs."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import beltline
import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import BundleError, DataError, StationError

SOURCE = Path(__file__).parents[2]
EXAMPLES = SOURCE / "examples" / "embed"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
PLENTY_MS = 60_000.0


def ran(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=300)


def in_this_process(name: str, *arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    try:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


@pytest.fixture(scope="module")
def inspector(bundle: Any) -> Iterator[beltline.Inspector]:
    with beltline.open(bundle.path, key=bundle.public, deadline_ms=PLENTY_MS) as opened:
        yield opened


def test_all_that_is_promised_is_there_typed_and_described() -> None:
    assert set(dir(beltline)) == set(beltline.__all__)
    for name in beltline.__all__:
        found = getattr(beltline, name)
        if name == "__version__":
            assert isinstance(found, str)
            continue
        assert found.__doc__
        if inspect.isfunction(found):
            signature = inspect.signature(found)
            assert all(each.annotation is not each.empty for each in signature.parameters.values()), name
            assert signature.return_annotation is not signature.empty
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = beltline.opne  # type: ignore[attr-defined]
    assert (Path(beltline.__file__).parent / "py.typed").is_file()


def test_importing_it_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import beltline; print(sorted(set(sys.modules) - before))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    loaded = [each for each in answer.stdout.strip("[]\n").replace("'", "").split(", ") if not each.startswith("_")]
    assert not [each for each in loaded if each.split(".")[0] in ("numpy", "pydantic", "typer", "torch", "yaml")]
    assert [each for each in loaded if each.startswith("beltline")] == ["beltline"]


def test_frames_are_decided_as_the_bundle_was_measured(
    inspector: beltline.Inspector, bundle: Any, frames: list[Frame]
) -> None:
    model = inspector.manifest.models[0]
    scores = bundle.parts.golden.scores[model.backend]
    for frame, wanted in zip(frames, scores, strict=True):
        decision = inspector.inspect(frame)
        assert decision.standing == "answered", decision.detail
        assert decision.score == pytest.approx(wanted, abs=1e-5)
        assert decision.rejected is (wanted >= model.threshold)
        assert decision.heatmap is not None
        assert decision.heatmap.dtype == np.uint8
        assert decision.engine_ms is not None
        assert 0 < decision.engine_ms < decision.latency_ms


def test_it_is_safe_from_threads(inspector: beltline.Inspector, frames: list[Frame]) -> None:
    alone = [inspector.inspect(frame).score for frame in frames]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda frame: inspector.inspect(frame).score, frames * 5))
    assert found == alone * 5


@pytest.mark.parametrize(
    "frame",
    [np.zeros((80, 100, 3), np.uint8), np.zeros((80, 100), np.uint8), np.zeros((80, 100, 1), np.float32)],
    ids=["channels", "dimensions", "type"],
)
def test_a_frame_that_the_model_does_not_take_is_an_error(inspector: beltline.Inspector, frame: Any) -> None:
    with pytest.raises(DataError, match=r"frame: wanted C-contiguous uint8 \[height, width, 1\], got"):
        inspector.inspect(frame)


def test_what_is_late_goes_to_the_safe_side(inspector: beltline.Inspector, frames: list[Frame]) -> None:
    long_ago_ns = time.monotonic_ns() - round(2 * PLENTY_MS * 1e6)
    decision = inspector.inspect(frames[0], captured_ns=long_ago_ns)
    assert (decision.standing, decision.answer, decision.score, decision.heatmap) == ("late", "reject", None, None)
    assert decision.detail


def test_the_program_around_it_is_left_alone(bundle: Any, frames: list[Frame]) -> None:
    import gc

    before = (gc.isenabled(), gc.get_freeze_count(), sys.getswitchinterval(), os.sched_getaffinity(0))
    threads = set(threading.enumerate())
    with beltline.open(bundle.path, deadline_ms=PLENTY_MS) as opened:
        opened.inspect(frames[0])
        assert (gc.isenabled(), gc.get_freeze_count(), sys.getswitchinterval(), os.sched_getaffinity(0)) == before
        assert set(opened.other_cpus) <= os.sched_getaffinity(0)
    opened.close()
    assert not [each for each in threading.enumerate() if each not in threads and each.is_alive()]
    with pytest.raises(StationError, match="closed; open the bundle again"):
        opened.inspect(frames[0])


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="wants two CPUs")
def test_the_engine_keeps_to_its_cpus_and_leaves_the_others(bundle: Any, frames: list[Frame]) -> None:
    usable = os.sched_getaffinity(0)
    mine = max(usable)
    with beltline.open(bundle.path, cpus=(mine,), threads=1, deadline_ms=PLENTY_MS) as opened:
        assert opened.inspect(frames[0]).standing == "answered"
        assert os.sched_getaffinity(opened._service.engine_pid) == {mine}
        assert set(opened.other_cpus) == usable - {mine}
    with pytest.raises(StationError, match=r"engine\.cpus: this process may use the CPUs"):
        beltline.open(bundle.path, cpus=(9999,))


def test_a_program_never_waits_for_ever(bundle: Any, frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beltline.station.inspector._PATIENCE_S", 0.2)
    with beltline.open(bundle.path, deadline_ms=500) as opened:
        opened._service._dispatcher.stop()
        opened._service._threads[0].join(10)
        with pytest.raises(StationError, match=r"a thread of the station has ended; close this inspector and open"):
            opened.inspect(frames[0])


def test_frames_under_way_are_answered_when_it_is_closed(bundle: Any, frames: list[Frame]) -> None:
    opened = beltline.open(bundle.path, deadline_ms=PLENTY_MS)
    with ThreadPoolExecutor(4) as threads:
        futures = [threads.submit(opened.inspect, frames[0]) for _ in range(40)]
        futures[0].result(60)
        opened.close()
    ended = [future.exception() for future in futures]
    assert all(error is None or isinstance(error, StationError) for error in ended)
    standings = {future.result().standing for future, error in zip(futures, ended, strict=True) if error is None}
    assert standings <= {"answered", "refused"}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"deadline_ms": -1}, "beltline.open: deadline_ms: wanted a number > 0, got -1"),
        ({"deadline_ms": float("nan")}, "beltline.open: deadline_ms: wanted a"),
        ({"late": "later"}, "beltline.open: late: wanted 'pass' or 'reject', got \"later\""),
        ({"threads": 0}, "beltline.open: threads: wanted a number >= 1, got 0"),
    ],
)
def test_a_wrong_argument_is_one_sentence(argument: dict[str, Any], message: str) -> None:
    with pytest.raises(StationError) as refused:
        beltline.open("any.beltline", **argument)
    assert str(refused.value).startswith(message)


def test_a_bundle_that_is_not_what_was_signed_is_refused(bundle: Any, tmp_path: Path) -> None:
    forged = tmp_path / "forged.beltline"
    content = bytearray(bundle.path.read_bytes())
    content[len(content) // 2] ^= 1
    forged.write_bytes(content)
    for way in (beltline.open, beltline.verify):
        with pytest.raises(BundleError, match=r"forged\.beltline"):
            way(forged, key=bundle.public)


def test_the_examples_open_and_verify_without_torch(bundle: Any, tmp_path: Path) -> None:
    opened = ran("open_a_bundle.py", bundle.path, bundle.public)
    assert opened.returncode == 0, opened.stderr
    assert " ms by tiny-" in opened.stdout
    assert ran("open_a_bundle.py", tmp_path / "none.beltline").stderr.startswith("the line cannot start: ")
    verified = ran("verify_a_bundle.py", bundle.path, bundle.public)
    assert verified.returncode == 0, verified.stderr
    assert "12 golden frames decided as measured" in verified.stdout
    shared = ran("several_cameras.py", bundle.path)
    assert shared.returncode == 0, shared.stderr
    assert "'answered': 60" in shared.stdout


def test_a_device_opens_a_bundle_with_nothing_but_a_runtime(bundle: Any) -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('torch', 'onnx', 'scipy', 'cv2', 'jinja2', 'yaml', 'rich'))\n"
        "import beltline, numpy\n"
        "with beltline.open(sys.argv[1], deadline_ms=60_000) as inspector:\n"
        "    print(inspector.inspect(numpy.zeros((80, 100, 1), numpy.uint8)).standing)\n"
    )
    argv = [sys.executable, "-c", code, str(bundle.path)]
    answer = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=120)
    assert (answer.returncode, answer.stdout) == (0, "answered\n"), answer.stderr


def test_the_examples_work_a_line_off(
    small_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path, runs = small_line, tmp_path / "runs"
    example: Callable[..., int] = in_this_process
    assert example("load_a_line.py", path, monkeypatch=monkeypatch) == 0
    assert "int8 on onnx_runtime ['quantize frames=8']" in capfd.readouterr().out
    assert example("part_by_part.py", path, runs, monkeypatch=monkeypatch) == 0
    printed = capfd.readouterr().out
    assert "models: " in printed
    assert "bench: " in printed
    assert example("run_a_line.py", path, runs, monkeypatch=monkeypatch) in (3, 4)
    assert "report.json: " in capfd.readouterr().out
    assert (runs / "small" / "report.json").is_file()
    wrong = tmp_path / "line.yaml"
    wrong.write_text(path.read_text().replace("threads: 1", "thread: 1"))
    with pytest.raises(beltline.BeltlineError, match="unknown key; did you mean 'threads'"):
        beltline.run(wrong, runs=runs)


@pytest.mark.parametrize("page", ["docs/embed.md", "api.py", "README.md"])
def test_pages_name_nothing_that_is_not_there(page: str) -> None:
    text = (SOURCE / page).read_text("utf-8")
    named = set(re.findall(r"\bbeltline\.([A-Za-z_]\w*)\(", text)) | set(re.findall(r"\bbeltline\.([A-Z]\w*)", text))
    assert named <= set(beltline.__all__)
    assert named or page == "README.md"
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(block, page, "exec")


def test_every_example_of_the_front_door_is_run_here() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [each.name for each in EXAMPLES.glob("*.py") if f'"{each.name}"' not in text] == []
