"""Every kind of source keeps the contract of `station.frames`."""

from __future__ import annotations

from typing import Any

import pytest
from beltline.inspection.base.errors import BeltlineError, MissingPartError, SourceError
from beltline.station.frames import source_kinds
from beltline.station.settings import SourceChoice
from pydantic import BaseModel, ValidationError

KINDS = sorted(source_kinds())
NOT_THERE: dict[str, dict[str, Any]] = {
    "aravis": {"camera": "Fake_999"},
    "folder": {"path": "/no/such/folder"},
    "gstreamer": {"pipeline": "nosuchelement ! appsink"},
    "replay": {"path": "/no/such/folder", "period_ms": 10},
    "v4l2": {"device": 254},
    "video_file": {"path": "/no/such/video.avi"},
}


def test_every_kind_is_tried_here() -> None:
    assert set(NOT_THERE) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_settings_are_closed_frozen_and_written_back_as_they_were_read(name: str) -> None:
    kind = source_kinds()[name]
    assert issubclass(kind.settings_type, BaseModel)
    choice = SourceChoice.model_validate({name: NOT_THERE[name]})
    assert SourceChoice.model_validate(choice.model_dump(mode="json")) == choice
    with pytest.raises(ValidationError):
        SourceChoice.model_validate({name: {**NOT_THERE[name], "no_such_key": 1}})
    with pytest.raises(ValidationError):
        choice.settings.path = "elsewhere"


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_there_is_said_with_a_way_out(name: str) -> None:
    kind = source_kinds()[name]
    missing = kind.missing()
    if missing is not None:
        assert "install" in missing
    with pytest.raises((SourceError, MissingPartError)) as caught:
        kind.open(kind.settings_type.model_validate(NOT_THERE[name]), name="in", channels=1)
    assert isinstance(caught.value, BeltlineError)
    assert len(str(caught.value)) > 20
