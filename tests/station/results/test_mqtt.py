"""Outcomes at a real broker: confirmed, said to be on- or offline, and again there after it was away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from beltline.inspection.base.errors import DeliveryError
from beltline.station.results.mqtt import RESULT, MqttSettings
from station_parts import outcome

pytest.importorskip("paho")


class Listener:
    """Somebody else at the broker."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, str]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("line7/#", qos=1)
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, message.payload.decode())
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def numbers(self) -> list[int]:
        return [json.loads(text)["number"] for topic, text in self.heard if topic == "line7/outcome"]

    def states(self) -> list[str]:
        return [text for topic, text in self.heard if topic == "line7/state"]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_for(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 20
    while not met():
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.fixture
def listener(broker: Any) -> Iterator[Listener]:
    made = Listener(broker.port)
    yield made
    made.close()


def settings(broker: Any, **changes: Any) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=broker.port, topic="line7", keep_s=30, **changes)


def test_outcomes_and_state_are_heard(broker: Any, listener: Listener) -> None:
    sink = RESULT.open(settings(broker))
    for number in range(5):
        sink.send(outcome(number=number, name="ä"))
    wait_for(lambda: listener.numbers() == list(range(5)))
    assert json.loads(dict(listener.heard)["line7/outcome"])["name"] == "ä"
    sink.close()
    wait_for(lambda: listener.states() == ["online", "offline"])


def test_nothing_is_lost_while_the_broker_restarts(broker: Any) -> None:
    sink = RESULT.open(settings(broker))
    sink.send(outcome(number=1))
    broker.stop()
    sending = Thread(target=lambda: sink.send(outcome(number=2)))
    sending.start()
    time.sleep(0.3)
    assert sending.is_alive()
    broker.start()
    listener = Listener(broker.port)
    sending.join(30)
    assert not sending.is_alive()
    sink.send(outcome(number=3))
    wait_for(lambda: listener.numbers()[-1:] == [3])
    listener.close()
    sink.close()


def test_a_broker_that_is_away_costs_the_outcome_only_when_it_is_old(broker: Any) -> None:
    broker.stop()
    sink = RESULT.open(MqttSettings(host="127.0.0.1", port=broker.port, keep_s=0.3))
    with pytest.raises(DeliveryError, match="refused"):
        sink.send(outcome())
    sink.close()


def test_a_wrong_password_is_said(broker: Any, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    broker.stop()
    broker.start("allow_anonymous false", f"password_file {tmp_path / 'users'}")
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    sink = RESULT.open(settings(broker, user="station", password_file=secret).model_copy(update={"keep_s": 0.5}))
    with pytest.raises(DeliveryError, match=r"[Nn]ot authori"):
        sink.send(outcome())
    sink.close()


def test_topics_with_wildcards_are_refused() -> None:
    with pytest.raises(ValueError, match="topic"):
        MqttSettings(host="x", topic="line/#")
