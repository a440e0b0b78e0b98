"""What every family of networks promises, built in or from another package; a new file needs no edit here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from beltline.compress.networks.base.families import Family, build_network, network_packages, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.inspection.base.errors import LineFileError
from beltline.inspection.base.packages import versions_of
from beltline.inspection.base.plugins import plugins
from beltline.inspection.data.frame import FrameSpec
from pydantic import BaseModel

OWN = "from torch import nn\n\ndef build():\n    return nn.Conv2d(1, 1, 3, stride=4, padding=1)\n"
FAMILIES = [pytest.param(family, id=name) for name, family in plugins("compress.networks").items()]


@pytest.fixture
def described(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Write a family as a user would in the fewest words: its name, and for one that needs a file, that file."""
    family: Family = request.param
    (tmp_path / "own_of_contract.py").write_text(OWN)
    fields = family.settings_type.model_fields
    own = {"factory": "own_of_contract:build", "folder": str(tmp_path)} if "factory" in fields else {}
    return {"family": family.name, **own}


def family_of(described: dict[str, Any]) -> Family:
    found: Family = plugins("compress.networks")[described["family"]]
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_its_settings_are_frozen_closed_and_documented(family: Family) -> None:
    settings = family.settings_type
    assert issubclass(settings, BaseModel)
    assert settings.model_config.get("frozen")
    assert settings.model_config.get("extra") == "forbid"
    message = "\n".join(each.__doc__ or "" for each in settings.__mro__ if issubclass(each, BaseModel))
    assert [name for name in settings.model_fields if f"{name}:" not in message] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_missing_says_how_to_get_it(family: Family) -> None:
    missing = family.missing()
    assert missing is None or "pip install" in missing


@pytest.mark.parametrize("described", FAMILIES, indirect=True)
def test_a_mistake_in_its_settings_is_answered_with_its_name(described: dict[str, Any]) -> None:
    with pytest.raises(LineFileError, match=rf"network {described['family']}: no_such_key: unknown key"):
        normal_network({**described, "no_such_key": 1})


@pytest.mark.parametrize("described", FAMILIES, indirect=True)
def test_a_description_with_all_defaults_is_its_own_description(described: dict[str, Any]) -> None:
    whole = normal_network(described)
    assert whole["family"] == described["family"]
    assert normal_network(whole) == whole


@pytest.mark.parametrize("described", FAMILIES, indirect=True)
def test_it_names_its_files_and_packages(described: dict[str, Any]) -> None:
    family = family_of(described)
    settings = family.settings_type.model_validate({key: v for key, v in described.items() if key != "family"})
    assert all(path.is_file() for path in family.sources(settings))
    named = network_packages(described)
    assert named
    if family.missing() is None:
        assert set(versions_of(named)) == set(named)


@pytest.mark.parametrize("described", FAMILIES, indirect=True)
def test_it_gives_a_logit_for_each_cell_and_a_gradient_to_every_weight(described: dict[str, Any]) -> None:
    if (missing := family_of(described).missing()) is not None:
        pytest.skip(missing)
    network = build_network(described, 1).train()
    logits = network(torch.rand(2, 1, 64, 96))
    assert logits.dtype == torch.float32
    assert logits.shape[:2] == (2, 1)
    assert 1 <= logits.shape[2] <= 64
    assert 1 <= logits.shape[3] <= 96
    logits.sum().backward()
    assert all(each.grad is not None for each in network.parameters())


@pytest.mark.parametrize("described", FAMILIES, indirect=True)
def test_a_checkpoint_of_it_comes_back_as_it_was(described: dict[str, Any], tmp_path: Path) -> None:
    if (missing := family_of(described).missing()) is not None:
        pytest.skip(missing)
    frame = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,))
    network = normal_network(described)
    inspector = Inspector(build_network(network, 1), frame).eval()
    path = tmp_path / "made.safetensors"
    save_checkpoint(path, Checkpoint(network=network, frame=frame, lineage=("made",), inspector=inspector))
    again = load_checkpoint(path)
    assert again.network == network
    picture = torch.randint(0, 256, (80, 100, 1), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(again.inspector.eval()(picture)[0], inspector(picture)[0])
