"""The address of a device: `ssh://user@host[:port]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..inspection.base.errors import LineFileError

SCHEME = "ssh://"
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]{0,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where ssh is to go; what is None is left to the user's ssh config.

    Attributes:
        host: A name (also one of the ssh config), or an IPv4 or IPv6 number.
        user: Who to be there.
        port: In [1, 65535].
    """

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """Write it as it is written in line.yaml."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}{user}{host}{f':{self.port}' if self.port else ''}"

    @property
    def arguments(self) -> list[str]:
        """What ssh takes: options, then the destination; no part can be taken for an option."""
        port = ["-p", str(self.port)] if self.port else []
        user = ["-l", self.user] if self.user else []
        return [*port, *user, "--", self.host]


def parse_address(text: str) -> Address:
    """Read `ssh://user@host[:port]`.

    Raises:
        LineFileError: It is none.

    >>> parse_address("ssh://beltline@10.0.0.7:2222")
    Address(host='10.0.0.7', user='beltline', port=2222)
    >>> str(parse_address("ssh://line-3"))
    'ssh://line-3'
    """
    try:
        parts = urlsplit(text)
        address = Address(host=parts.hostname or "", user=parts.username, port=parts.port)
    except ValueError as error:
        raise _refused(text) from error
    known = parts.scheme == "ssh" and not parts.path.strip("/") and not (parts.query or parts.fragment)
    named = _HOST.fullmatch(address.host) and (address.user is None or _USER.fullmatch(address.user))
    if not known or not named or parts.password is not None:
        raise _refused(text)
    return address


def _refused(text: str) -> LineFileError:
    return LineFileError(
        f"wanted ssh://user@host or ssh://user@host:port, got {text!r}; keys and all else come from your "
        "ssh config, a password never stands in it"
    )
