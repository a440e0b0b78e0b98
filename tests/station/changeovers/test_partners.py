"""Products named by a real broker, a real OPC UA server and a real Modbus server, also after they were away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from beltline.station.changeover import ChangeoverListener
from beltline.station.partners.broker import BrokerSettings, client_of, connect
from beltline.station.partners.modbus_device import ModbusDevice
from beltline.station.partners.opc_ua_session import OpcUaSession, ServerSettings
from beltline.station.settings import ChangeoverChoice
from pydantic import ValidationError


def wait_for(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not met():
        assert time.monotonic() < until_s
        time.sleep(0.02)


@contextmanager
def listening(kind: str, **settings: Any) -> Iterator[tuple[list[str], list[str]]]:
    """Give the products and the sentences that come."""
    products: list[str] = []
    notes: list[str] = []
    listener = ChangeoverListener(ChangeoverChoice.model_validate({kind: settings}), products.append, notes.append)
    listener.start()
    yield products, notes
    listener.stop()


def publish(port: int, payload: bytes) -> None:
    settings = BrokerSettings(host="127.0.0.1", port=port)
    client = client_of(settings, "the-line")
    connect(client, settings)
    client.publish("line7/product", payload, qos=1, retain=True).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("kind", ["modbus_tcp", "opc_ua", "mqtt"])
def test_a_product_named_twice_by_one_code_is_refused(kind: str) -> None:
    where = {
        "modbus_tcp": {"host": "plc", "address": 200},
        "opc_ua": {"url": "opc.tcp://plc:4840", "variable": "ns=3;i=1"},
        "mqtt": {"host": "broker", "topic": "line7/product"},
    }
    two: dict[object, str] = {1: "boardA", "1": "boardB"}
    with pytest.raises(ValidationError, match="wanted each code once, got 1 twice"):
        ChangeoverChoice.model_validate({kind: {**where[kind], "products": two}})
    both_named = {kind: {**where[kind], "products": {1: "boardA", 2: "boardA"}}}
    assert ChangeoverChoice.model_validate(both_named).settings.products == {"1": "boardA", "2": "boardA"}


def test_a_broker_names_the_product_that_it_kept_and_each_new_one(broker: Any) -> None:
    pytest.importorskip("paho")
    publish(broker.port, b'{"sku": 17}')
    told = {
        "host": "127.0.0.1",
        "port": broker.port,
        "topic": "line7/product",
        "key": "sku",
        "products": {17: "boardA"},
    }
    with listening("mqtt", **told) as (products, notes):
        wait_for(lambda: products == ["boardA"])
        publish(broker.port, b'{"sku": "boardB"}')
        wait_for(lambda: products == ["boardA", "boardB"])
        publish(broker.port, b"\xff no JSON")
        wait_for(lambda: products == ["boardA", "boardB", ""])
        broker.stop()
        wait_for(lambda: len(notes) >= 1)
        broker.start()
        wait_for(lambda: notes[-1] == "it answers again")


def test_a_variable_names_the_product_by_text(plc: Any) -> None:
    pytest.importorskip("asyncua")
    with closing(OpcUaSession(ServerSettings(url=plc.url), {"name": plc.variables["name"]})) as line:
        line.write({"name": "boardA"})
        with listening("opc_ua", url=plc.url, variable=plc.variables["name"], poll_ms=10) as (products, _):
            wait_for(lambda: products == ["boardA"])
            line.write({"name": "boardB"})
            wait_for(lambda: products == ["boardA", "boardB"])


def test_a_register_names_the_product_by_number() -> None:
    pytest.importorskip("pymodbus")
    from modbus_plc import REGISTERS, ModbusPlc

    plc, place = ModbusPlc(), REGISTERS + 3
    plc.start()
    told = {"host": "127.0.0.1", "port": plc.port, "address": place, "products": {1: "boardA"}, "poll_ms": 10}
    with closing(plc), closing(ModbusDevice("127.0.0.1", plc.port, 1)) as line:
        line.set_registers(place, [1])
        with listening("modbus_tcp", **told) as (products, notes):
            wait_for(lambda: products == ["boardA"])
            line.set_registers(place, [9])
            wait_for(lambda: products == ["boardA", "9"])
            plc.stop()
            wait_for(lambda: len(notes) == 1)
            assert "the last product stays" in notes[0]
