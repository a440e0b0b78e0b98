"""Which widths of a network are measured, so that its time at all others can be predicted."""

from __future__ import annotations

import numpy as np

from ...compress.networks.base.shape import NetworkShape

_SEED = 0
_FEWEST = 0.1
_SPREAD = 0.35
_BY_CHANCE = 3


def sampled_widths(shape: NetworkShape) -> tuple[dict[str, int], ...]:
    """Choose the full widths, the least, and five networks for each group.

    One of the five has this group alone at its narrowest and one has it alone at its full width, which tells the groups
    apart; the others are narrow all over by chance, each group to its own degree, as pruned networks are.
    """
    random = np.random.default_rng(_SEED)
    found = [shape.full, shape.least]
    for group in shape.groups:
        found += [{**shape.full, group.name: group.fewest}, {**shape.least, group.name: group.channels}]
        found += [random_widths(shape, random) for _ in range(_BY_CHANCE)]
    return tuple(found)


def random_widths(shape: NetworkShape, random: np.random.Generator) -> dict[str, int]:
    """Draw a network: a degree from a tenth to all of it, and each group's share around that degree."""
    degree = random.uniform(_FEWEST, 1.0)
    shares = np.clip(degree + random.uniform(-_SPREAD, _SPREAD, len(shape.groups)), 0, 1)
    return {
        group.name: min(group.choices(), key=lambda width: abs(width - share * group.channels))
        for group, share in zip(shape.groups, shares, strict=True)
    }
