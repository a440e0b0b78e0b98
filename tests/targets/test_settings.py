from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.targets.address import Address, parse_address
from beltline.targets.settings import Targets, TargetSettings
from pydantic import TypeAdapter, ValidationError

READ = TypeAdapter[tuple[TargetSettings, ...]](Targets)


def test_each_form_is_the_same_as_its_long_one() -> None:
    assert READ.validate_python("local") == (TargetSettings(profile="local"),)
    assert READ.validate_python("ssh://me@line-3") == (TargetSettings(ssh="ssh://me@line-3"),)
    both = READ.validate_python(["local", {"ssh": "ssh://me@10.0.0.7:2222", "profile": "jetson-orin-nano"}])
    assert [each.label for each in both] == ["local", "jetson-orin-nano"]
    assert READ.validate_python(READ.dump_python(both, mode="json")) == both


def test_the_access_is_what_the_settings_say() -> None:
    settings = TargetSettings(ssh="ssh://me@10.0.0.7:2222", python="/opt/py/bin/python3", config=Path("/c"))
    assert settings.access is not None
    assert settings.access.address == Address(host="10.0.0.7", user="me", port=2222)
    assert (settings.access.python, settings.access.config) == ("/opt/py/bin/python3", Path("/c"))
    assert TargetSettings(profile="local").access is None


@pytest.mark.parametrize(
    "text",
    ["ssh://", "ssh://-oProxyCommand=x", "ssh://me:secret@host", "http://host", "ssh://host:99999", "ssh://host/path",
     "ssh://me@host;ls", "ssh://$(id)@host", "ssh://me@-host", "ssh://-l@host"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LineFileError, match="wanted ssh://user@host"):
        parse_address(text)
    with pytest.raises(ValidationError, match="wanted ssh://user@host"):
        READ.validate_python(text)


def test_ipv6_and_config_names_are_addresses() -> None:
    for text in ("ssh://me@[fe80::1]:22", "ssh://line-3", "ssh://me@line_3.factory"):
        assert str(parse_address(text)) == text


def test_two_devices_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="'line-3' more than once; add `name:`"):
        READ.validate_python(["ssh://a@line-3", "ssh://b@line-3"])
    assert len(READ.validate_python(["ssh://a@line-3", {"ssh": "ssh://b@line-3", "name": "spare"}])) == 2
