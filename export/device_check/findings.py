"""A rule, and what it found in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from .device_runtime import DeviceRuntime
from .graph_index import GraphIndex

Level = Literal["refused", "warning"]
Hits = Iterable[tuple[str, str]]
"""Pairs of a node's (or tensor's) name and what was seen there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that a file must or should be.

    Attributes:
        name: Its id, such as `zero-point-zero`.
        level: `refused`: the runtime does not take the file, or takes it and computes something else.
        why: One sentence.
        way_out: What to do, one sentence.
        find: Gives the places where it is broken.
    """

    name: str
    level: Level
    why: str
    way_out: str
    find: Callable[[GraphIndex, DeviceRuntime], Hits]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that is broken at one place; JSON-able with `dataclasses.asdict`.

    Attributes:
        rule: The rule's id.
        level: See `Rule.level`.
        node: Name of the node or tensor.
        seen: What is there.
        why: Why that matters.
        way_out: What to do.
    """

    rule: str
    level: Level
    node: str
    seen: str
    why: str
    way_out: str


def findings_of(rule: Rule, index: GraphIndex, runtime: DeviceRuntime) -> list[Finding]:
    """Apply one rule."""
    return [
        Finding(rule=rule.name, level=rule.level, node=node, seen=seen, why=rule.why, way_out=rule.way_out)
        for node, seen in rule.find(index, runtime)
    ]
