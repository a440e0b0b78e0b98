"""Sources and results as a station file chooses them: told apart by name, refused before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from ..inspection.base.errors import MissingPartError


class _Choice(Protocol):
    kind: str


class _Kind(Protocol):
    def missing(self) -> str | None: ...


_Chosen = TypeVar("_Chosen", bound=_Choice)


def named_choices(choices: Sequence[_Chosen]) -> list[tuple[str, _Chosen]]:
    """Name choices after their kinds, with a number from the second of a kind on: `folder`, `aravis`, `aravis-2`."""
    seen: Counter[str] = Counter()
    named = []
    for choice in choices:
        seen[choice.kind] += 1
        number = seen[choice.kind]
        named.append((choice.kind if number == 1 else f"{choice.kind}-{number}", choice))
    return named


def require_installed(what: str, choices: Sequence[_Choice], kinds: Mapping[str, _Kind]) -> None:
    """Refuse choices whose packages are not there.

    Args:
        what: They are, for the message: `source` or `result`.
        choices: From a station file.
        kinds: All that there are.

    Raises:
        MissingPartError: One's packages are not there; the message says how to get them.
    """
    for choice in choices:
        if (missing := kinds[choice.kind].missing()) is not None:
            msg = f"{what} {choice.kind}: {missing}"
            raise MissingPartError(msg)
