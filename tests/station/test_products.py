"""Products of a running station: which one a frame shows, and the reference of that moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.station.products import Products
from beltline.station.references import add_reference
from beltline.station.settings import ReferenceSettings, StationSettings
from drawn_boards import photograph
from pydantic import ValidationError


def test_the_current_product_survives_a_restart(tmp_path: Path) -> None:
    settings = ReferenceSettings(folder=tmp_path / "golden", default="beta")
    before = Products(settings, state=tmp_path)
    assert before.current == "beta"
    assert [before.change_to("alpha"), before.change_to("alpha")] == [True, False]
    assert Products(settings, state=tmp_path).current == "alpha"


def test_a_replaced_reference_counts_from_the_next_frame_on(tmp_path: Path) -> None:
    settings = ReferenceSettings(folder=tmp_path)
    first, _ = add_reference(tmp_path, "alpha", [photograph(tmp_path.parent, "alpha")])
    products = Products(settings)
    products.look(channels=1)
    held = products.golden("alpha", 1)
    second, _ = add_reference(tmp_path, "alpha", [photograph(tmp_path.parent, "beta")])
    products.look(channels=1)
    assert [each.digest for each in (held, products.golden("alpha", 1))] == [first.digest, second.digest]
    assert not (held.image == products.golden("alpha", 1).image).all()


def test_frames_of_a_source_that_says_nothing_show_its_product(tmp_path: Path) -> None:
    products = Products(ReferenceSettings(folder=tmp_path, sources={"folder-2": "beta"}, product="^(a)_", default="c"))
    said = [("x", "a_1", "folder-2"), ("", "a_1", "folder-2"), ("", "1", "folder-2"), ("", "1", "http")]
    assert [products.named(*each) for each in said] == ["x", "a", "beta", "c"]
    with pytest.raises(ValidationError, match=r"references\.sources: wanted the name of a source"):
        StationSettings.model_validate({"references": {"folder": tmp_path, "sources": {"camera": "beta"}}})


def test_a_folder_that_cannot_be_read_for_a_while_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    add_reference(folder, "alpha", [photograph(tmp_path.parent, "alpha")])
    products = Products(ReferenceSettings(folder=folder))
    products.look(channels=1)
    folder.rename(tmp_path / "away")
    folder.write_text("not a folder")
    assert "cannot be listed" in products.look(channels=1)
    assert products.look(channels=1) == ""
    assert products.golden("alpha", 1).product == "alpha"
