"""Outcomes in a real Modbus server's coils and registers: each read once, however often the link breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from beltline.inspection.base.errors import DeliveryError
from beltline.station.outcomes import Sink
from beltline.station.results.modbus_tcp import RESULT, ModbusTcpSettings, registers_of
from station_parts import outcome

pytest.importorskip("pymodbus")

from modbus_plc import ACKNOWLEDGE, REGISTERS, REJECT, VALID, ModbusPlc


@pytest.fixture
def plc() -> Iterator[ModbusPlc]:
    made = ModbusPlc()
    made.start()
    yield made
    made.close()


def opened(plc: ModbusPlc, *, handshake: bool = True, **changes: Any) -> Sink:
    shaking = {"valid": VALID, "acknowledge": ACKNOWLEDGE} if handshake else {}
    facts = {"host": "127.0.0.1", "port": plc.port, "reject": REJECT, "registers": REGISTERS, "keep_s": 20, **shaking}
    return RESULT.open(ModbusTcpSettings.model_validate({**facts, **changes}))


def test_coil_and_registers_hold_what_was_decided(plc: ModbusPlc) -> None:
    sink = opened(plc, sources={"camera": 7})
    sink.send(outcome(number=70_000, frame_number=5, answer="reject", score=0.75))
    sink.send(outcome(number=70_001, frame_number=70_005, answer="reject", standing="late", score=None, source="b"))
    sink.send(outcome(number=70_002, answer="pass", score=0.0))
    sink.close()
    assert plc.parts == [
        (70_000, True, 0, 7, 5, 0.75),
        (70_001, True, 1, 0, 70_005, -1.0),
        (70_002, False, 0, 7, 1, 0.0),
    ]


def test_without_a_handshake_the_number_comes_last(plc: ModbusPlc) -> None:
    sink = opened(plc, handshake=False)
    sink.send(outcome(number=1, answer="reject"))
    sink.close()
    assert plc.writes == [(5, REJECT), (16, REGISTERS)]


def test_valid_is_low_while_an_outcome_is_written(plc: ModbusPlc) -> None:
    sink = opened(plc)
    sink.send(outcome(number=1))
    sink.send(outcome(number=2))
    sink.close()
    one = [(5, VALID), (5, REJECT), (16, REGISTERS), (5, VALID), (5, VALID)]
    assert plc.writes == one * 2


@pytest.mark.parametrize(("order", "number"), [("high_first", [1, 4464]), ("low_first", [4464, 1])])
def test_values_of_two_registers_are_in_the_order_that_the_plc_wants(order: Any, number: list[int]) -> None:
    settings = ModbusTcpSettings(host="x", word_order=order)
    found = registers_of(outcome(number=70_000, score=0.5), settings)
    assert found[-2:] == number
    assert found[:2] == ([0x3F00, 0] if order == "high_first" else [0, 0x3F00])
    assert registers_of(outcome(number=2**32 + 3), settings)[-2:] in ([0, 3], [3, 0])


def test_an_outcome_waits_for_a_plc_that_restarts(plc: ModbusPlc) -> None:
    sink = opened(plc)
    sink.send(outcome(number=1))
    plc.stop()
    sending = Thread(target=lambda: sink.send(outcome(number=2)))
    sending.start()
    time.sleep(0.3)
    assert sending.is_alive()
    plc.start()
    plc.forget()
    sending.join(30)
    assert not sending.is_alive()
    sink.send(outcome(number=3))
    sink.close()
    assert [part[0] for part in plc.parts] == [1, 2, 3]


def test_a_plc_that_does_not_acknowledge_costs_the_outcome_when_it_is_old(plc: ModbusPlc) -> None:
    plc.acknowledges = False
    sink = opened(plc, acknowledge_s=0.1, keep_s=0.5)
    with pytest.raises(
        DeliveryError, match=r"outcome 1 was not taken within 0\.5 s .*acknowledge outcome 1 within 0\.1"
    ):
        sink.send(outcome(number=1))
    plc.acknowledges = True
    sink.send(outcome(number=2))
    sink.close()
    assert [part[0] for part in plc.parts][-1] == 2


def test_a_plc_that_keeps_its_acknowledge_high_is_said(plc: ModbusPlc) -> None:
    sink = opened(plc, acknowledge=ACKNOWLEDGE + 1, acknowledge_s=0.1, keep_s=0.4)
    plc.force(ACKNOWLEDGE + 1, on=True)
    with pytest.raises(DeliveryError, match="lower `acknowledge` before outcome 1"):
        sink.send(outcome(number=1))
    sink.close()


def test_registers_that_are_not_there_are_said(plc: ModbusPlc) -> None:
    sink = opened(plc, registers=5000, keep_s=0.3)
    with pytest.raises(DeliveryError, match="are coils and registers of device 1 there"):
        sink.send(outcome())
    sink.close()


def test_nobody_there_is_said(plc: ModbusPlc) -> None:
    plc.stop()
    sink = opened(plc, keep_s=0.3)
    with pytest.raises(DeliveryError, match="nobody answers at"):
        sink.send(outcome())
    sink.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"valid": 1}, "belong together"),
        ({"valid": 0, "acknowledge": 2}, "different coils"),
        ({"registers": 65_530}, "registers"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModbusTcpSettings.model_validate({"host": "x", **wrong})
