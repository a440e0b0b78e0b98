"""The device side needs no more than numpy, a runtime, and what reads a manifest and checks a signature."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2]
NOT_THERE = ("torch", "onnx", "openvino", "scipy", "cv2", "jinja2", "psutil", "yaml", "rich", "packaging")
PROGRAM = f"""
import json, sys
sys.modules |= dict.fromkeys({NOT_THERE!r})
from beltline.pipeline.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["beltline", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
"""

SERVE = f"""
import pathlib, sys, threading, time
sys.modules |= dict.fromkeys({NOT_THERE!r})
from beltline.export.bundles.golden import frame_of
from beltline.station.frames import OfferedFrame
from beltline.station.serving import serve
from beltline.station.settings import StationSettings

stop = threading.Event()

def offer(service):
    unpacked = service.at_work.unpacked
    for number, golden in enumerate(unpacked.golden().frames):
        image = frame_of((unpacked.folder / golden.file).read_bytes(), name=golden.file)
        frame = OfferedFrame(number=number, source="t", name="", image=image, captured_ns=time.monotonic_ns())
        service.offer(frame).result(60)
    stop.set()

settings = StationSettings(bundle=pathlib.Path(sys.argv[1]), deadline_ms=60_000, http=None, drift=None)
start = lambda service: threading.Thread(target=offer, args=(service,)).start()
tally = serve(settings, print, stop=stop, on_start=start)
assert tally.answered == tally.offered == 12, tally
"""


def test_verify_install_status_and_rollback_run_without_the_rest(pair: Any, tmp_path: Path) -> None:
    root = ["--root", str(tmp_path / "root")]
    verbs = [
        ["verify", str(pair.old)],
        ["install", str(pair.old), "--key", str(pair.public), *root],
        ["install", str(pair.new), *root],
        ["status", *root],
        ["rollback", *root],
    ]
    argv = [sys.executable, "-c", PROGRAM, json.dumps(verbs)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.rstrip().endswith(f"is {pair.old_version}")


def test_a_station_answers_without_the_rest(pair: Any) -> None:
    argv = [sys.executable, "-c", SERVE, str(pair.old)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    assert "works: tiny on onnx_runtime" in answer.stdout
