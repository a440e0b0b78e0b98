"""What every place for results promises, built in or from another package; a new file needs no edit here."""

from __future__ import annotations

import sys

import pytest
from beltline.station.outcomes import ResultKind, result_kinds
from beltline.station.settings import ResultChoice
from pydantic import BaseModel, ValidationError

_KINDS = [pytest.param(kind, id=name) for name, kind in result_kinds().items()]


def test_the_built_in_ones_are_there() -> None:
    assert {"json_lines", "modbus_tcp", "mqtt", "opc_ua"} <= set(result_kinds())


@pytest.mark.parametrize("kind", _KINDS)
def test_its_name_is_its_file(kind: ResultKind) -> None:
    assert sys.modules[type(kind).__module__].__name__.endswith(f".{kind.name}")


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_missing_says_how_to_get_it(kind: ResultKind) -> None:
    missing = kind.missing()
    assert missing is None or "pip install" in missing


@pytest.mark.parametrize("kind", _KINDS)
def test_its_settings_are_frozen_closed_and_documented(kind: ResultKind) -> None:
    settings = kind.settings_type
    assert issubclass(settings, BaseModel)
    assert settings.model_config.get("frozen")
    assert settings.model_config.get("extra") == "forbid"
    message = settings.__doc__ or ""
    assert [name for name in settings.model_fields if f"{name}:" not in message] == []


@pytest.mark.parametrize("kind", _KINDS)
def test_unknown_keys_are_answered_with_their_place(kind: ResultKind) -> None:
    with pytest.raises(ValidationError, match=kind.name):
        ResultChoice.model_validate({kind.name: {"no_such_key": 1}})


def test_unknown_kinds_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="json_lines, modbus_tcp, mqtt, opc_ua"):
        ResultChoice.model_validate({"carrier_pigeon": {}})
