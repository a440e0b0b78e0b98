"""What ssh means when it fails: which failures may pass, and what to do about the others."""

from __future__ import annotations

from ..inspection.base.errors import HostError

_LOST = 255
_NO_PYTHON = 73

_FINAL = (
    ("Host key verification failed", "compare the key with the device's own and put it into known_hosts by hand"),
    ("Permission denied", "try `ssh` by hand; put your key there with ssh-copy-id (no password is ever asked for)"),
    ("Could not resolve hostname", "check the name, or give it a number in your ssh config"),
    ("Bad configuration option", "mend the ssh config"),
    ("Can't open user config file", "check `config:` under target"),
)
_PASSING = (
    ("Connection refused", "is sshd running there, on that port?"),
    ("timed out", "is it switched on, and is this its network?"),
    ("No route to host", "is it switched on, and is this its network?"),
    ("Network is unreachable", "is this machine on the device's network?"),
)


class LostConnectionError(HostError):
    """The connection broke, or could not be made for a reason that may pass."""


def failure_of(where: str, code: int, said: str, *, met: bool) -> HostError:
    """Put a failed call of ssh into words.

    Args:
        where: The device's address.
        code: How ssh ended; 255 is its own failure, all else that of the command there.
        said: What it wrote.
        met: Whether this device was reached before, so that the same failure may pass now.
    """
    if code == _NO_PYTHON and not met:
        return _no_python(where, said)
    last = said.strip().splitlines()[-1] if said.strip() else "no message"
    if code != _LOST:
        return HostError(f"{where}: {last} (code {code})")
    for words, way_out in (*_FINAL, *_PASSING):
        if words in said:
            line = next(line for line in reversed(said.splitlines()) if words in line)
            kind = LostConnectionError if met and (words, way_out) in _PASSING else HostError
            return kind(f"{where}: {line.strip()}; {way_out}")
    return LostConnectionError(f"{where}: the connection was lost: {last}")


def _no_python(where: str, said: str) -> HostError:
    found = ", ".join(said.split("\n")) or "none"
    return HostError(
        f"{where}: wanted Python 3.10 or newer, found {found}; install python3 there, or name it: "
        "target: {ssh: ..., python: /path/to/python3}"
    )
