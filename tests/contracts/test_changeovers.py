"""What every way of saying which product comes promises, built in or from another package."""

from __future__ import annotations

import pytest
from beltline.station.changeover import ChangeoverKind, changeover_kinds
from beltline.station.settings import ChangeoverChoice
from pydantic import ValidationError

_KINDS = [pytest.param(kind, id=name) for name, kind in changeover_kinds().items()]


def test_the_built_in_ones_are_there() -> None:
    assert {"modbus_tcp", "mqtt", "opc_ua"} <= set(changeover_kinds())


@pytest.mark.parametrize("kind", _KINDS)
def test_its_settings_are_frozen_closed_and_documented(kind: ChangeoverKind) -> None:
    settings = kind.settings_type
    assert (settings.model_config.get("frozen"), settings.model_config.get("extra")) == (True, "forbid")
    assert [name for name in settings.model_fields if f"{name}:" not in (settings.__doc__ or "")] == []
    missing = kind.missing()
    assert missing is None or "pip install" in missing


@pytest.mark.parametrize("kind", _KINDS)
def test_unknown_keys_and_kinds_are_answered_with_their_place(kind: ChangeoverKind) -> None:
    with pytest.raises(ValidationError, match=kind.name):
        ChangeoverChoice.model_validate({kind.name: {"no_such_key": 1}})
    with pytest.raises(ValidationError, match="modbus_tcp, mqtt, opc_ua"):
        ChangeoverChoice.model_validate({"carrier_pigeon": {}})
