"""Outcomes in a real OPC UA server's variables, also after it was restarted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from beltline.inspection.base.errors import DeliveryError
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


def test_findings_arrive_in_variables_of_their_own(findings_plc: Any) -> None:
    large = {"kind": "scratch", "box": [1.0, 2.0, 30.0, 4.0], "length_mm": 0.62}
    small = {"kind": "pit", "box": [9.0, 9.0, 3.0, 3.0], "length_mm": 0.06}
    sink = RESULT.open(settings(findings_plc))
    sink.send(outcome(number=1, answer="reject", findings=(large, small), because="limits[0]", review=False))
    sink.send(outcome(number=2, answer="reject", findings=(small,), because="limits[1]", review=True))
    sink.send(outcome(number=3))
    sink.close()
    assert findings_plc.values("kind") == ["scratch", "pit", ""]
    assert [json.loads(each) for each in findings_plc.values("findings")] == [[large, small], [small], []]
    assert findings_plc.values("review") == [False, True, False]
    assert findings_plc.values("because") == ["limits[0]", "limits[1]", ""]


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


def test_a_secure_plc_is_talked_to_encrypted_and_as_its_user(
    secure_plc: Any, identity: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    certificate, key = identity("urn:beltline:station")
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    whole = {"certificate": certificate, "private_key": key, "user": "station", "password_file": secret}
    secret.write_text("open sesame\n")
    sink = RESULT.open(settings(secure_plc, **whole))
    sink.send(outcome(number=70_000, answer="reject"))
    sink.close()
    assert secure_plc.written == [("reject", True), ("number", 70_000)]
    key.chmod(0o644)
    readable = RESULT.open(settings(secure_plc, keep_s=0.5, **whole))
    with pytest.raises(DeliveryError, match="everybody on this machine may read this secret; run: chmod 640"):
        readable.send(outcome(number=1))
    readable.close()
    key.chmod(0o600)
    secret.write_text("wrong\n")
    for given in (whole, {}):
        refused = RESULT.open(settings(secure_plc, keep_s=0.5, **given))
        with pytest.raises(DeliveryError):
            refused.send(outcome(number=1))
        refused.close()
    assert secure_plc.values("number") == [70_000]


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        OpcUaSettings(url="opc.tcp://x", variables={"number": "i=1"}, certificate=Path("a.pem"))


@pytest.mark.parametrize(("value", "kind"), [("late", "Boolean"), ("late", "Int32"), (0.5, "DateTime")])
def test_a_value_that_a_type_cannot_hold_is_refused(value: Any, kind: str) -> None:
    if kind == "Boolean":
        assert fitting(value, kind) is True
        return
    with pytest.raises(DeliveryError, match=kind):
        fitting(value, kind)
