"""How the inspectors of one station share the machine: CPUs of their own, or the same ones in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from ...inspection.base.errors import StationError
from ..settings import EngineSettings


def _nothing() -> None:
    return


class Turns:
    """Who may use the CPUs that several engines share: one at a time, whoever has waited longest next.

    A member that was just served goes behind all others, so between two of its frames at most one of each other member
    is worked on. It is safe to use from any thread, and never waits.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Turn] = deque()
        self._holder: Turn | None = None

    def take(self, member: Turn) -> bool:
        """Take the turn if it is free; else the member is woken once it has it."""
        with self._lock:
            if self._holder is member:
                return True
            if self._holder is None and not self._waiting:
                self._holder = member
                return True
            if member not in self._waiting:
                self._waiting.append(member)
            return False

    def give_back(self, member: Turn) -> None:
        """Let the next one have the turn; whoever only waited for it waits no more."""
        with self._lock:
            if self._holder is member:
                self._holder = self._waiting.popleft() if self._waiting else None
                if self._holder is not None:
                    self._holder.wake()
            elif member in self._waiting:
                self._waiting.remove(member)


class Turn:
    """One member's side of it; without others it always has the turn.

    Attributes:
        wake: Called when it was given the turn that it waits for; must be quick and take no lock.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns
        self.wake: Callable[[], None] = _nothing

    @property
    def shared(self) -> bool:
        """Whether there are others."""
        return self._turns is not None

    def take(self) -> bool:
        """Take the turn, or wait for it: `wake` is called once it is there."""
        return self._turns is None or self._turns.take(self)

    def give_back(self) -> None:
        """Give the turn back, or stop waiting for it."""
        if self._turns is not None:
            self._turns.give_back(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One inspector's part of the machine.

    Attributes:
        usable: CPUs that it may use, those first that its engine should have.
        turn: Of its engine.
        beside: Names of the inspectors that it shares CPUs with, its own among them.
    """

    usable: tuple[int, ...]
    turn: Turn = field(default_factory=Turn)
    beside: tuple[str, ...] = ()


def shares(engines: Mapping[str, EngineSettings], usable: Sequence[int]) -> dict[str, Share]:
    """Divide the machine: whoever names CPUs that nobody else names has them alone; all others take turns.

    Args:
        engines: By inspector.
        usable: CPUs of this process.

    Raises:
        StationError: Those who name none are left without one.

    >>> two = {"left": EngineSettings(cpus=(0,)), "right": EngineSettings(cpus=(1,))}
    >>> {name: (share.usable, share.turn.shared) for name, share in shares(two, [0, 1, 2, 3]).items()}
    {'left': ((0, 2, 3), False), 'right': ((1, 2, 3), False)}
    >>> same = {"left": EngineSettings(), "right": EngineSettings(), "top": EngineSettings(cpus=(3,))}
    >>> {name: (share.usable, share.beside) for name, share in shares(same, [0, 1, 2, 3]).items()}
    {'left': ((0, 1, 2), ('left', 'right')), 'right': ((0, 1, 2), ('left', 'right')), 'top': ((0, 1, 2, 3), ('top',))}
    """
    groups = _groups(engines)
    found: dict[str, Share] = {}
    for group in groups:
        taken = {cpu for name, engine in engines.items() if name not in group for cpu in engine.cpus or ()}
        left = tuple(cpu for cpu in usable if cpu not in taken)
        if not left:
            msg = f"engine.cpus: the others name all CPUs, and none is left for {', '.join(group)}; name fewer there"
            raise StationError(msg)
        turns = Turns() if len(group) > 1 else None
        found |= {name: Share(usable=left, turn=Turn(turns), beside=group) for name in group}
    return {name: found[name] for name in engines}


def _groups(engines: Mapping[str, EngineSettings]) -> list[tuple[str, ...]]:
    """Put those together that share a CPU, however indirectly; those who name none share what is left."""
    groups: list[tuple[set[int], list[str]]] = []
    for name, engine in engines.items():
        cpus, names = set(engine.cpus or (-1,)), [name]
        for group in [each for each in groups if each[0] & cpus]:
            groups.remove(group)
            cpus, names = cpus | group[0], [*group[1], *names]
        groups.append((cpus, names))
    return [tuple(names) for _, names in groups]
