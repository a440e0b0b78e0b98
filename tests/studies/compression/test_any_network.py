"""The study of any network: its list, what it makes of outcomes, and one network all the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import RecipeError
from beltline.studies.compression import any_network
from beltline.studies.compression.any_network import Brought, Outcome, networks, one, table


def test_at_least_80_networks_of_four_sources_are_asked_for_once() -> None:
    names = [each.name for each in networks()]
    assert len(names) == len(set(names)) >= 80
    assert {name.split(":")[0] for name in names} == {"own", "smp", "timm", "torchvision"}


def test_a_table_counts_and_shows_what_was_found() -> None:
    found = [
        Outcome(name="own:a", step="prune", kind="works", detail="10 to 5 parameters", seconds=1.2),
        Outcome(name="own:b", step="prune", kind="refused", detail="this | that", seconds=0.1),
        Outcome(name="own:a", step="run", kind="partly", detail="open_vino: no", seconds=3.0),
    ]
    text = table(found)
    assert "`prune`: 2 networks: 1 refused, 1 works." in text
    assert "| own:a | works | 10 to 5 parameters | 1 | partly | open_vino: no |" in text
    assert "| own:b | refused | this / that | 0 | - |  |" in text


def test_whatever_a_step_raises_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_brought: Brought, _folder: Path) -> tuple[str, str]:
        msg = "prune: one sentence"
        raise RecipeError(msg)

    def fails(_brought: Brought, _folder: Path) -> tuple[str, str]:
        return str(1 // 0), ""

    for kind, detail, step in (("refused", "prune: one", refuses), ("traceback", "ZeroDivisionError", fails)):
        monkeypatch.setitem(any_network.STEPS, "prune", step)
        outcome = one(Brought(name="own:C2f"), "prune")
        assert (outcome.kind, outcome.detail.startswith(detail)) == (kind, True)


def test_a_network_goes_all_the_way() -> None:
    brought = Brought(name="own:ConvNextBlock", output="mask_logit", channels=1)
    pruned, ran = one(brought, "prune"), one(brought, "run")
    assert (pruned.kind, ran.kind) == ("works", "works"), (pruned, ran)
    assert ran.detail.startswith("export ")
    assert "onnx_runtime int8" in ran.detail
