"""`beltline serve` as systemd runs it: ready, watched, stopped in good order; and the files that make it so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import BundleError
from beltline.station.publishing.systemd import notify
from beltline.station.serving import serve
from beltline.station.unit_file import container_file, systemd_unit
from stationing import settings_of

SOURCE = Path(__file__).parents[2]


@pytest.fixture
def pictures(frames: list[Frame], tmp_path: Path) -> Path:
    (folder := tmp_path / "pictures").mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number:03}.png"), frame)
    (folder / "torn.png").write_bytes(b"torn")
    return folder


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_a_replayed_folder_is_served_to_its_end(bundle: Any, pictures: Path) -> None:
    lines: list[str] = []
    sources = [{"replay": {"path": pictures, "period_ms": 1, "frames": 26}}]
    tally = serve(settings_of(bundle=bundle.path, sources=sources, queue={"frames": 64}), lines.append)
    assert (tally.offered, tally.answered, tally.faulty, tally.under_way) == (26, 24, 2, 0)
    assert tally.by_source == {"replay": 26}
    assert tally.rejected == 2 + 2 * sum(bundle.parts.golden.rejects["onnx_runtime"])
    assert "works: tiny on onnx_runtime" in lines[0]
    assert lines[-1].startswith("replay: it has ended")


def test_the_verb_stops_in_good_order_when_it_is_told_to(
    bundle: Any, pictures: Path, systemd: socket.socket, tmp_path: Path
) -> None:
    text = f"""
bundle: {bundle.path}
sources: [replay: {{path: {pictures.name}, period_ms: 2}}]
deadline_ms: 60000
http: null
"""
    (tmp_path / "station.yaml").write_text(text)
    argv = [sys.executable, "-m", "beltline.pipeline", "serve", str(tmp_path / "station.yaml"), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert systemd.recv(4096).startswith(b"READY=1\nSTATUS=tiny-")
            assert systemd.recv(4096).startswith(b"WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()  # else a failure here would wait for it for ever
    assert process.returncode == 0, errors
    facts = json.loads(output)
    assert facts["offered"] == facts["answered"] + facts["late"] + facts["refused"] + facts["faulty"] > 0
    assert facts["under_way"] == 0


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_what_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing is installed"):
        serve(settings_of(bundle=tmp_path), print)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    command = ["/bin/true", "serve", "/etc/a b/50%.yaml"]
    (tmp_path / "beltline.service").write_text(systemd_unit(command, writable=(tmp_path, Path("/a b"))))
    argv = ["systemd-analyze", "verify", str(tmp_path / "beltline.service")]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_container_file_installs_without_a_net_and_runs_as_nobody_special() -> None:
    lines = container_file().splitlines()
    assert "--no-index" in next(line for line in lines if line.startswith("RUN"))
    assert "USER 10001" in lines
    assert 'ENTRYPOINT ["beltline", "serve"]' in lines
