"""Two cameras, one PLC: every outcome is read once, in order, though the PLC reconnects and the station loses power."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import cv2
import pytest
from beltline.export.contracts import Frame
from beltline.station.frames import OfferedFrame
from beltline.station.numbers import BLOCK
from beltline.station.outcomes import Seen
from beltline.station.publishing.wiring import Wiring
from beltline.station.results.opc_ua import RESULT as OPC_UA
from beltline.station.results.opc_ua import OpcUaSettings
from beltline.station.service import Service
from station_parts import outcome
from stationing import eventually, settings_of

pytest.importorskip("pymodbus")

from modbus_plc import ACKNOWLEDGE, REGISTERS, REJECT, VALID, ModbusPlc

SOURCE = Path(__file__).parents[3]


@pytest.fixture
def plc() -> Iterator[ModbusPlc]:
    made = ModbusPlc()
    made.start()
    yield made
    made.close()


def modbus(plc: ModbusPlc, **changes: Any) -> dict[str, Any]:
    facts = {"host": "127.0.0.1", "port": plc.port, "reject": REJECT, "valid": VALID, "acknowledge": ACKNOWLEDGE}
    return {
        "modbus_tcp": {**facts, "registers": REGISTERS, "sources": {"left": 1, "right": 2}, "keep_s": 60, **changes}
    }


@pytest.mark.parametrize("times", [10, pytest.param(1000, marks=pytest.mark.slow)])
def test_two_cameras_and_a_plc_that_reconnects(bundle: Any, frames: list[Frame], plc: ModbusPlc, times: int) -> None:
    service = Service(settings_of(bundle=bundle.path, results=[modbus(plc)]))
    wiring, seen, ended = Wiring(service), list[Seen](), Event()
    service.subscribe("audit", seen.append, frames=1_000_000, with_pixels=False)
    service.start()

    def camera(name: str) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            now_ns = time.monotonic_ns()
            service.take(OfferedFrame(number=number, source=name, name="", image=frames[0], captured_ns=now_ns))
            while len(seen) - len(plc.parts) > 100 and not ended.is_set():
                time.sleep(0.001)

    cameras = [Thread(target=camera, args=(name,)) for name in ("left", "right")]
    for each in cameras:
        each.start()
    chance = random.Random(3)
    for _ in range(times):
        before = len(plc.parts)
        eventually(lambda: len(plc.parts) > before)  # noqa: B023 - called at once
        time.sleep(chance.uniform(0, 0.01))
        plc.hang_up()
    ended.set()
    for each in cameras:
        each.join()
    eventually(lambda: len(plc.parts) == service.counters.snapshot().offered)
    service.stop()
    wiring.stop()
    assert [part[0] for part in plc.parts] == [each.outcome.number for each in seen] == list(range(1, len(seen) + 1))
    reported = [(each.outcome.answer == "reject", {"left": 1, "right": 2}[each.outcome.source]) for each in seen]
    assert [(part[1], part[3]) for part in plc.parts] == reported
    assert {source for _, source in reported} == {1, 2}
    assert service.counters.snapshot().dropped.get("modbus_tcp", 0) == 0


def test_numbers_go_on_after_a_power_cut(bundle: Any, frames: list[Frame], plc: ModbusPlc, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "part.png"), frames[0])
    station = {
        "bundle": str(bundle.path), "deadline_ms": 60_000, "http": None, "state": str(tmp_path / "state"),
        "sources": [{"replay": {"path": str(tmp_path / name), "period_ms": 20}} for name in ("a", "b")],
        "results": [modbus(plc, sources={"replay": 1, "replay-2": 2})], "engine": {"spare": False},
    }  # fmt: skip
    (tmp_path / "station.yaml").write_text(json.dumps(station))
    argv = [sys.executable, "-m", "beltline.pipeline", "serve", str(tmp_path / "station.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    ends = []
    for _ in range(3):
        before = len(plc.parts)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
            try:
                eventually(lambda: len(plc.parts) >= before + 10 or process.poll() is not None)  # noqa: B023
            finally:
                process.kill()
            assert process.wait(60) == -signal.SIGKILL, process.stdout and process.stdout.read()
        ends.append(len(plc.parts))
    numbers = [part[0] for part in plc.parts]
    assert all(later > earlier for earlier, later in itertools.pairwise(numbers))
    for end in ends[:-1]:
        assert 1 <= numbers[end] - numbers[end - 1] <= BLOCK + 1000
    assert {part[3] for part in plc.parts} == {1, 2}
    frame_numbers = [part[4] for part in plc.parts]
    assert frame_numbers.count(1) >= 3


def test_the_same_handshake_over_opc_ua(handshaking_plc: Any) -> None:
    plc = handshaking_plc
    sink = OPC_UA.open(OpcUaSettings(url=plc.url, variables=plc.variables, keep_s=20))
    for number in range(1, 6):
        sink.send(outcome(number=number, answer="reject"))
    plc.stop()
    sending = Thread(target=lambda: sink.send(outcome(number=6)))
    sending.start()
    time.sleep(0.2)
    plc.start()
    sending.join(60)
    assert not sending.is_alive()
    sink.send(outcome(number=7))
    sink.close()
    assert plc.read == [(number, True) for number in range(1, 6)] + [(6, False), (7, False)]
    names = [name for name, _ in plc.written if name in ("number", "valid")]
    assert names[:4] == ["valid", "number", "valid", "valid"]


@pytest.mark.parametrize("named", [("valid", "number"), ("acknowledge", "number"), ("valid", "acknowledge")])
def test_a_handshake_by_halves_is_refused(named: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="name all three"):
        OpcUaSettings.model_validate({"url": "opc.tcp://x", "variables": dict.fromkeys(named, "i=1")})
