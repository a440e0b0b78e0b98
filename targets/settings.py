"""The `target:` part of line.yaml: this machine, a device over ssh, or a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from .address import SCHEME, parse_address
from .connection import Access


class TargetSettings(BaseModel):
    """One device. `target: local` and `target: ssh://user@host` are short for these keys.

    Attributes:
        profile: A device profile's name (`beltline devices`); None: none is known for a device over ssh.
        ssh: Address `ssh://user@host[:port]` of the device; None: this machine.
        name: Names it in the report; None: its profile, or the host in its address.
        wheelhouse: Folder with its wheels (`beltline wheels` fills it); null: its Python has the packages itself.
        python: Its interpreter; None: the first `python3` there that is 3.10 or newer.
        config: An ssh config file instead of your own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str | None = None
    ssh: str | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")] | None = None
    wheelhouse: Path | None = Path("wheels")
    python: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./+-]+$")] | None = None
    config: Path | None = None

    @field_validator("ssh")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        if text is not None:
            parse_address(text)
        return text

    @property
    def label(self) -> str:
        """What it is called in the report."""
        if self.ssh is None:
            return self.name or self.profile or "local"
        return self.name or self.profile or parse_address(self.ssh).host.replace(":", "_").replace("%", "_")

    @property
    def access(self) -> Access | None:
        """How to reach it; None: it is this machine."""
        if self.ssh is None:
            return None
        return Access(address=parse_address(self.ssh), config=self.config, python=self.python)


def _spelled_out(value: Any) -> Any:
    """Take a device's short form: a profile's name or an address."""
    if isinstance(value, str):
        return {"ssh": value} if value.startswith(SCHEME) or "://" in value else {"profile": value}
    return value


def _listed(value: Any) -> Any:
    """Take one device where a list may stand."""
    return [_spelled_out(each) for each in (value if isinstance(value, list | tuple) else [value])]


def _schema() -> dict[str, Any]:
    """Show an editor all the forms that are taken."""
    one = {"anyOf": [{"type": "string"}, TargetSettings.model_json_schema()]}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _distinct(targets: tuple[TargetSettings, ...]) -> tuple[TargetSettings, ...]:
    labels = [each.label for each in targets]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        msg = f"every device wants its own name, got {twice[0]!r} more than once; add `name:` to one"
        raise ValueError(msg)
    return targets


Targets = Annotated[
    tuple[TargetSettings, ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    AfterValidator(_distinct),
    WithJsonSchema(_schema()),
]
"""Devices as line.yaml writes them: a name, an address, a block, or a list of these."""

LOCAL: tuple[TargetSettings, ...] = (TargetSettings(profile="local"),)
