"""A station whose model compares: a reference for each product; none is judged by another product's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.station.outcomes import outcome_facts
from beltline.station.partners.modbus_device import ModbusDevice
from beltline.station.reference_check import comparing_model
from beltline.station.references import add_reference, kept_references, remove_reference
from beltline.station.service import Service
from comparing_bundle import write_comparing_bundle
from drawn_boards import PRODUCTS, board, part, photograph
from modbus_plc import REGISTERS, ModbusPlc
from stationing import eventually, offered, running, settings_of


@pytest.fixture(scope="module")
def compared_bundle(bundle: Any, parts_of_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparing_bundle(bundle, parts_of_bundle, tmp_path_factory.mktemp("compared"))


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("references")
    (folder / "photos").mkdir()
    add_reference(folder, "alpha", [photograph(folder / "photos", "alpha")])
    return folder


@pytest.fixture(scope="module")
def service(compared_bundle: Path, references: Path) -> Iterator[Service]:
    told = {"folder": references, "product": r"^([a-z]+)_"}
    with running(settings_of(bundle=compared_bundle, references=told)) as started:
        yield started


def answered(service: Service, image: Frame, **said: Any) -> Any:
    return service.offer(replace(offered(image), **said)).result(60)


def test_the_product_is_told_with_the_frame_by_its_name_or_once_for_all(service: Service) -> None:
    digest = kept_references(service.settings.references.folder)[0].digest  # type: ignore[union-attr]
    told = answered(service, part("alpha"), product="alpha")
    named = answered(service, part("alpha"), name="alpha_0001.png")
    assert service.products is not None
    service.products.change_to("alpha")
    once = answered(service, part("alpha"), name="0002.png")
    for outcome in (told, named, once):
        assert (outcome.standing, outcome.product, outcome.reference) == ("answered", "alpha", digest)
    assert told.score == named.score == once.score
    assert outcome_facts(told)["reference"] == digest


def test_an_unknown_product_is_answered_on_the_safe_side_and_counted(service: Service) -> None:
    outcome = answered(service, part("beta"), product="gamma")
    assert (outcome.standing, outcome.answer, outcome.product, outcome.reference) == ("refused", "reject", "gamma", "")
    assert "beltline reference add" in outcome.detail
    tally = service.counters.snapshot()
    assert tally.refused >= tally.without_reference >= 1
    assert any("gamma" in each.text and each.part == "reference" for each in tally.incidents)


def test_another_products_part_is_not_judged_by_this_reference(service: Service) -> None:
    outcome = answered(service, part("beta"), product="alpha", name="strange.png")
    assert (outcome.standing, outcome.answer, outcome.score) == ("answered", "reject", 1.0)
    assert (outcome.because, outcome.findings) == ("alignment", ())
    tally = service.counters.snapshot()
    assert tally.not_aligned == 1
    assert any("'strange.png': another product" in each.text for each in tally.incidents)


def test_a_product_is_added_changed_and_removed_while_frames_come(service: Service, references: Path) -> None:
    assert answered(service, part("beta"), product="beta").standing == "refused"
    kept, _ = add_reference(references, "beta", [photograph(references / "photos", "beta")])
    products = service.products
    assert products is not None
    eventually(lambda: "beta" in products.names)
    outcome = answered(service, part("beta"), product="beta")
    assert (outcome.standing, outcome.reference) == ("answered", kept.digest)
    remove_reference(references, "beta")
    eventually(lambda: "beta" not in products.names)
    assert answered(service, part("beta"), product="beta").standing == "refused"
    did = [json.loads(line)["did"] for line in (references / "journal.jsonl").read_text().splitlines()]
    assert did == ["add", "add", "remove"]


def test_a_reference_of_another_size_is_said_so(service: Service, references: Path, tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(cv2.imencode(".png", board(1, 48, 64))[1].tobytes())
    add_reference(references, "small", [tmp_path / "small.png"])
    eventually(lambda: service.products is not None and "small" in service.products.names)
    assert "64 x 48 pixels, the frame 128 x 96" in answered(service, part("alpha"), product="small").detail


@pytest.mark.parametrize("unknown", ["gamma", "", "../alpha", "\x00", "x" * 1000])
def test_after_a_change_to_an_unknown_product_no_other_reference_judges(service: Service, unknown: str) -> None:
    service.change_product("alpha", by="the test")
    service.change_product(unknown, by="the test")
    outcome = answered(service, part("alpha"), name="0003.png")
    assert (outcome.standing, outcome.product, outcome.reference) == ("refused", unknown[:64], "")
    assert answered(service, part("alpha"), product="alpha").standing == "answered"
    service.change_product("alpha", by="the test")


def test_a_station_holds_500_products_and_changes_over_with_every_frame(compared_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    content = {each: photograph(tmp_path / "photos", each).read_bytes() for each in PRODUCTS}
    for number in range(500):
        (tmp_path / f"{'beta' if number % 2 else 'alpha'}{number}.png").write_bytes(
            content["beta" if number % 2 else "alpha"]
        )
    told = {"folder": tmp_path, "product": r"^([a-z]+\d+)_"}
    with running(settings_of(bundle=compared_bundle, references=told, queue={"frames": 256})) as service:
        assert service.products is not None
        assert len(service.products.names) == 500
        parts = {each: part(each) for each in PRODUCTS}
        futures = []
        for number in range(200):
            product = "beta" if number % 2 else "alpha"
            frame = offered(parts[product], number)
            futures.append(service.offer(replace(frame, name=f"{product}{number}_1.png")))
        outcomes = [future.result(60) for future in futures]
    digests = {each: f"sha256:{hashlib.sha256(content[each]).hexdigest()}" for each in PRODUCTS}
    assert {each.standing for each in outcomes} == {"answered"}
    assert not any(each.because == "alignment" for each in outcomes)
    assert [each.reference for each in outcomes] == [digests["beta" if at % 2 else "alpha"] for at in range(200)]


def test_a_burst_in_the_middle_of_a_change_over_is_judged_by_two_references_and_no_mixture(
    service: Service, references: Path
) -> None:
    parts, futures = {each: part(each) for each in PRODUCTS}, []
    add_reference(references, "beta", [photograph(references / "photos", "beta")])
    eventually(lambda: service.products is not None and service.products.knows("beta"))
    for number in range(60):
        product = "beta" if number // 7 % 2 else "alpha"
        service.change_product(product, by="the test")
        futures.append((product, service.offer(replace(offered(parts[product], number), name="part.png"))))
    known = {each.product: each.digest for each in kept_references(references)}
    for product, future in futures:
        outcome = future.result(60)
        if outcome.standing == "answered":
            assert (outcome.product, outcome.reference) == (product, known[product])
            assert outcome.because != "alignment"
    assert sum(future.result().standing == "answered" for _, future in futures) >= 8


def test_a_plc_changes_the_product_of_a_running_station(compared_bundle: Path, references: Path) -> None:
    pytest.importorskip("pymodbus")
    plc = ModbusPlc()
    plc.start()
    asked = {"host": "127.0.0.1", "port": plc.port, "address": REGISTERS + 3, "products": {7: "alpha"}, "poll_ms": 10}
    told = {"folder": references, "changeover": [{"modbus_tcp": asked}]}
    with closing(plc), running(settings_of(bundle=compared_bundle, references=told)) as service:
        assert service.products is not None
        eventually(lambda: service.products is not None and service.products.current == "0")
        assert answered(service, part("alpha")).standing == "refused"
        with closing(ModbusDevice("127.0.0.1", plc.port, 1)) as line:
            line.set_registers(REGISTERS + 3, [7])
        eventually(lambda: service.products is not None and service.products.current == "alpha")
        outcome = answered(service, part("alpha"))
        assert (outcome.standing, outcome.product) == ("answered", "alpha")
        assert any("alpha from now on, says modbus_tcp" in each.text for each in service.counters.snapshot().incidents)


def test_upside_down_is_another_product(service: Service) -> None:
    turned = np.ascontiguousarray(part("alpha")[::-1, ::-1])
    outcome = answered(service, turned, product="alpha")
    assert (outcome.answer, outcome.because) == ("reject", "alignment")


def test_its_own_model_looks_at_photographs(compared_bundle: Path, tmp_path: Path) -> None:
    with comparing_model(settings_of(bundle=compared_bundle)) as model:
        two = [photograph(tmp_path, "alpha"), photograph(tmp_path, "beta")]
        _, warnings = add_reference(tmp_path / "kept", "alpha", two, model=model)
    assert sum("does not lie on what it is compared with" in each for each in warnings) == 2
