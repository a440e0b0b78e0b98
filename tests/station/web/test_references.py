"""References listed, added and removed over HTTP, at a real station with a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.base.errors import DataError
from beltline.station.references import add_reference, journal_problem
from beltline.station.web.photographs import photographs_in
from comparing_bundle import write_comparing_bundle
from drawn_boards import photograph
from stationing import eventually
from web_station import Running, station

TOKEN = {"Authorization": "Bearer a-long-and-secret-token"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("references")


@pytest.fixture(scope="module")
def comparing(bundle: Any, parts_of_bundle: Any, folder: Path) -> Path:
    return write_comparing_bundle(bundle, parts_of_bundle, folder)


@pytest.fixture(scope="module")
def running(comparing: Path, folder: Path) -> Iterator[Running]:
    (token := folder / "token").write_text(TOKEN["Authorization"].partition(" ")[2])
    token.chmod(0o600)
    (folder / "kept").mkdir()
    add_reference(folder / "kept", "alpha", [photograph(folder, "alpha")])
    with _station(comparing, folder, http={"token_file": token}) as started:
        yield started


def _station(path: Path, folder: Path, **changes: Any) -> Any:
    class _Bundle:
        def __init__(self) -> None:
            self.path = path

    return station(_Bundle(), references={"folder": folder / "kept"}, **changes)


def form(*photographs: bytes) -> tuple[bytes, dict[str, str]]:
    head = b'--edge\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
    body = b"".join(head + each + b"\r\n" for each in photographs) + b"--edge--\r\n"
    return body, {**TOKEN, "Content-Type": "multipart/form-data; boundary=edge"}


def test_a_new_design_is_added_seen_by_the_model_judged_by_and_removed(running: Running, folder: Path) -> None:
    photo = photograph(folder, "beta").read_bytes()
    status, made = running.json("/references/beta", *form(photo, photo))
    assert (status, made["product"], made["width"], made["height"]) == (200, "beta", 128, 96)
    status, listed = running.json("/references", headers=TOKEN)
    assert (status, listed["journal"]) == (200, "whole")
    assert {each["product"]: each["digest"] for each in listed["products"]}["beta"] == made["digest"]
    products = running.service.products
    assert products is not None
    eventually(lambda: products.knows("beta"))
    status, facts = running.json("/frames?product=beta", photo, TOKEN)
    assert (status, facts["standing"], facts["reference"]) == (200, "answered", made["digest"])
    status, _, _ = running.ask("/references/beta", headers=TOKEN, method="DELETE")
    assert status == 200
    eventually(lambda: not products.knows("beta"))
    journal = [json.loads(line) for line in (folder / "kept/journal.jsonl").read_text().splitlines()]
    assert [(each["did"], each["product"], each["who"]) for each in journal[-2:]] == [
        ("add", "beta", "HTTP from 127.0.0.1"),
        ("remove", "beta", "HTTP from 127.0.0.1"),
    ]
    assert not journal_problem(folder / "kept")
    told = [each.text for each in running.service.counters.snapshot().incidents]
    assert any("reference of beta is changed, says HTTP from 127.0.0.1" in each for each in told)


def test_a_single_photograph_is_a_body_of_its_own_and_warned_about(running: Running, folder: Path) -> None:
    status, made = running.json("/references/gamma", photograph(folder, "beta").read_bytes(), TOKEN)
    assert status == 200
    assert any(each.startswith("it is the only photograph") for each in made["warnings"])


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        ("/references/..%2Fout", b"photo", 400, "wanted up to 64 letters"),
        ("/references/delta", b"no photograph", 400, "photograph 1"),
        ("/references/delta", b"", 400, "wanted 1 to 8 photographs, got 0"),
        ("/references/delta", b"x" * 6_000_000, 413, ""),
    ],
)
def test_what_cannot_be_a_reference_changes_nothing(
    running: Running, folder: Path, path: str, body: bytes, status: int, why: str
) -> None:
    before = sorted(folder.rglob("*"))
    got, problem = running.json(path, body, TOKEN)
    assert (got, why in problem["error"]) == (status, True)
    assert sorted(folder.rglob("*")) == before


def test_what_is_not_there_cannot_be_removed(running: Running) -> None:
    status, _, answer = running.ask("/references/nobody", headers=TOKEN, method="DELETE")
    assert (status, b"holds no reference of product" in answer) == (400, True)


def test_without_the_token_nothing_is_listed_or_changed(running: Running, folder: Path) -> None:
    assert running.ask("/references")[0] == 401
    assert running.ask("/references/alpha", method="DELETE")[0] == 401
    assert (folder / "kept/alpha.png").is_file()


def test_a_station_without_a_token_lists_and_changes_nothing(comparing: Path, folder: Path) -> None:
    with _station(comparing, folder) as running:
        assert running.ask("/references")[0] == 200
        for method, body in (("DELETE", None), ("POST", b"photo")):
            status, _, answer = running.ask("/references/alpha", body, method=method)
            assert (status, b"name token_file" in answer) == (403, True)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--x\r\n\r\nabc", "multipart/form-data; boundary=x"),
        (b"before\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nabc\r\n" * 40 + b"--x--", "multipart/form-data; boundary=x"),
        (b"--x--", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
    ],
)
def test_forms_that_cannot_be_read_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(DataError, match="multipart/form-data: wanted"):
        photographs_in(body, content_type)
