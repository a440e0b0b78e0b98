"""Outcomes in a real OPC UA server's variables, also after it was restarted."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from beltline.inspection.errors import DeliveryError
from beltline.station.results.opc_ua import RESULT, OpcUaSettings, fitting
from station_parts import outcome

pytest.importorskip("asyncua")


def settings(plc: Any, **changes: Any) -> OpcUaSettings:
    return OpcUaSettings(url=plc.url, **{"variables": plc.variables, "keep_s": 20.0, **changes})


def test_values_arrive_in_the_variables_types_with_the_number_last(plc: Any) -> None:
    sink = RESULT.open(settings(plc))
    sink.send(outcome(number=70_000, answer="reject", score=0.75, name="left"))
    sink.send(outcome(number=70_001, standing="late", answer="reject", score=None, name=""))
    sink.close()
    assert plc.values("number") == [4464, 4465]
    assert plc.values("reject") == [True, True]
    assert plc.values("score") == [0.75, -1.0]
    assert plc.values("name") == ["left", ""]
    assert [name for name, _ in plc.written][3::4] == ["number", "number"]


def test_an_outcome_waits_for_a_plc_that_restarts(plc: Any) -> None:
    sink = RESULT.open(settings(plc))
    sink.send(outcome(number=1))
    plc.stop()
    sending = Thread(target=lambda: sink.send(outcome(number=2)))
    sending.start()
    time.sleep(0.3)
    assert sending.is_alive()
    plc.start()
    sending.join(30)
    assert not sending.is_alive()
    sink.send(outcome(number=3))
    sink.close()
    assert plc.values("number") == [1, 2, 3]


def test_a_plc_gets_no_old_answers(plc: Any) -> None:
    sink = RESULT.open(settings(plc, keep_s=2.0))
    old = outcome(number=1)
    with pytest.raises(DeliveryError, match="was not taken within 2 s"):
        sink.send(replace(old, decided_ns=old.decided_ns - 3_000_000_000))
    sink.close()
    assert plc.written == []


def test_a_variable_that_is_not_there_is_said(plc: Any) -> None:
    sink = RESULT.open(settings(plc, variables={"reject": "ns=2;s=Nowhere"}, keep_s=0.5))
    with pytest.raises(DeliveryError, match="Bad"):
        sink.send(outcome())
    sink.close()


@pytest.mark.parametrize(("value", "kind"), [("late", "Boolean"), ("late", "Int32"), (0.5, "DateTime")])
def test_a_value_that_a_type_cannot_hold_is_refused(value: Any, kind: str) -> None:
    if kind == "Boolean":
        assert fitting(value, kind) is True
        return
    with pytest.raises(DeliveryError, match=kind):
        fitting(value, kind)
