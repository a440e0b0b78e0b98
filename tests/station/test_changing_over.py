"""A change-over in the middle of a burst of 1,000 parts a minute: no part is judged by another product's reference."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.station.partners.modbus_device import ModbusDevice
from beltline.station.references import add_reference, kept_references
from comparing_bundle import write_comparing_bundle
from drawn_boards import PRODUCTS, part, photograph
from modbus_plc import REGISTERS, ModbusPlc
from stationing import engine_pid, eventually, frozen, offered, running, settings_of

PARTS, PERIOD_S, BATCH = 120, 0.06, 17
STUCK_FROM, STUCK_TO = 46, 56  # the engine stands still over these parts, and over the change at part 51
CODES = {7: "alpha", 8: "beta"}


def test_a_plc_changes_the_product_between_parts_of_a_burst(bundle: Any, parts_of_bundle: Any, tmp_path: Path) -> None:
    pytest.importorskip("pymodbus")
    compared, folder = write_comparing_bundle(bundle, parts_of_bundle, tmp_path), tmp_path / "references"
    for product in PRODUCTS:
        add_reference(folder, product, [photograph(tmp_path, product)])
    digests = {each.product: each.digest for each in kept_references(folder)}
    shown = [CODES[7 + number // BATCH % 2] for number in range(PARTS)]
    images, plc = {each: part(each) for each in PRODUCTS}, ModbusPlc()
    plc.start()
    asked = {"host": "127.0.0.1", "port": plc.port, "address": REGISTERS + 3, "products": CODES, "poll_ms": 10}
    told = {"folder": folder, "changeover": [{"modbus_tcp": asked}]}
    wanted = settings_of(bundle=compared, references=told, queue={"frames": 64}, watchdog={"engine_s": 60})
    with ExitStack() as stack:
        stack.enter_context(closing(plc))
        line = stack.enter_context(closing(ModbusDevice("127.0.0.1", plc.port, 1)))
        service = stack.enter_context(running(wanted))
        products = service.products
        assert products is not None
        calm = {each: service.offer(replace(offered(images[each]), product=each)).result(60).score for each in PRODUCTS}
        assert calm["alpha"] != calm["beta"]
        line.set_registers(REGISTERS + 3, [7])
        eventually(lambda: products.current == "alpha")
        standstill, futures, next_s = ExitStack(), [], time.monotonic()
        stack.enter_context(standstill)
        for number in range(PARTS):
            if number == STUCK_FROM:
                standstill.enter_context(frozen(engine_pid(service)))
            if number == STUCK_TO:
                standstill.close()
            next_s += PERIOD_S
            if number % BATCH == 0:  # announced one period before the first part
                line.set_registers(REGISTERS + 3, [7 + number // BATCH % 2])
            time.sleep(max(0.0, next_s - time.monotonic()))
            futures.append(service.offer(replace(offered(images[shown[number]], number), name=f"{number}.png")))
        outcomes = [future.result(60) for future in futures]
    assert {each.standing for each in outcomes} == {"answered"}
    for product, outcome in zip(shown, outcomes, strict=True):
        assert outcome.reference == digests[outcome.product]
        if outcome.product == product:
            assert (outcome.score, outcome.because == "alignment") == (calm[product], False)
        else:  # the PLC was read late, as on a busy machine: another product's reference rejects
            assert (outcome.answer, outcome.score, outcome.because) == ("reject", 1.0, "alignment")
    told_in_time = [each.product == product for each, product in zip(outcomes, shown, strict=True)]
    assert sum(told_in_time) >= 0.9 * PARTS
    stuck = range(STUCK_FROM, STUCK_TO)
    assert {outcomes[number].product for number in stuck if told_in_time[number]} == set(PRODUCTS)
