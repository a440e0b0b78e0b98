"""What every kind of source promises, built in or from another package; a new file needs no edit here."""

from __future__ import annotations

from typing import Any

import pytest
from beltline.inspection.base.errors import BeltlineError, MissingPartError, SourceError
from beltline.station.frames import PixelRule, source_kinds
from beltline.station.settings import SourceChoice
from pydantic import BaseModel, ValidationError

KINDS = sorted(source_kinds())
NOWHERE: dict[str, Any] = {"Path": "/no/such/place", "str": "no_such_thing", "int": 254, "float": 10.0}
SAID_OTHERWISE: dict[str, dict[str, Any]] = {
    "aravis": {"camera": "Fake_999"},
    "gstreamer": {"pipeline": "nosuchelement ! appsink"},
    "v4l2": {"device": 254},
}
"""Where what a kind must be given says too little of what is not there."""


def not_there(name: str) -> dict[str, Any]:
    """Give a kind's settings for something that is not there: each key that must be written, by its type."""
    fields = source_kinds()[name].settings_type.model_fields
    required = {key: NOWHERE[each.annotation.__name__] for key, each in fields.items() if each.is_required()}
    return {**required, **SAID_OTHERWISE.get(name, {})}


@pytest.mark.parametrize("name", KINDS)
def test_settings_are_closed_frozen_and_written_back_as_they_were_read(name: str) -> None:
    kind = source_kinds()[name]
    assert issubclass(kind.settings_type, BaseModel)
    choice = SourceChoice.model_validate({name: not_there(name)})
    assert SourceChoice.model_validate(choice.model_dump(mode="json")) == choice
    with pytest.raises(ValidationError):
        SourceChoice.model_validate({name: {**not_there(name), "no_such_key": 1}})
    with pytest.raises(ValidationError):
        choice.settings.path = "elsewhere"


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_there_is_said_with_a_way_out(name: str) -> None:
    kind = source_kinds()[name]
    missing = kind.missing()
    if missing is not None:
        assert "install" in missing
    with pytest.raises((SourceError, MissingPartError)) as caught:
        kind.open(kind.settings_type.model_validate(not_there(name)), name="in", pixels=PixelRule(channels=1))
    assert isinstance(caught.value, BeltlineError)
    assert len(str(caught.value)) > 20
