"""Do bounds hold where photographs share a part? `python -m beltline.studies.latency.grouped_rates`.

Parts are drawn whose photographs go wrong together: each part has a rate of its own (beta distributed, so that two of
its photographs correlate as much as asked), each photograph goes wrong at that rate. Counted is how often the upper
bound at 95 % lies at or above the true rate: over parts as `inspection.clustered` weighs them, and over photographs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...inspection.statistics.bounds import clustered_upper, rate_upper

_CONFIDENCE = 0.95
_PHOTOGRAPHS = 6
_PARTS = (35, 150)
_RATES = (0.03, 0.1)
_CORRELATIONS = (0.01, 0.3, 0.7, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often the bounds held.

    Attributes:
        parts: In each sample, with six photographs each.
        rate: True share of photographs that go wrong.
        correlation: Of two photographs of a part.
        over_parts: Share of samples in which the bound over parts held.
        over_photographs: Likewise, as if photographs were independent.
    """

    parts: int
    rate: float
    correlation: float
    over_parts: float
    over_photographs: float


def study(*, samples: int, seed: int = 0) -> Iterator[Coverage]:
    """Draw samples for each number of parts, rate and correlation."""
    for parts in _PARTS:
        for rate in _RATES:
            for correlation in _CORRELATIONS:
                random = np.random.default_rng([seed, parts, round(1000 * rate), round(100 * correlation)])
                yield _coverage(parts, rate, correlation, samples, random)


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="grouped_rates", description="Do bounds hold when photographs share a part?")
    parser.add_argument("--samples", type=int, default=2_000, help="for each line of the table")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.samples < 1:
        parser.error(f"--samples must be at least 1, got {options.samples}")
    sys.stdout.write("| parts | true rate | correlation | bound over parts holds | over photographs |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    for each in study(samples=options.samples, seed=options.seed):
        sys.stdout.write(
            f"| {each.parts} | {each.rate:.0%} | {each.correlation:g} | {each.over_parts:.1%} | "
            f"{each.over_photographs:.1%} |\n"
        )
    return 0


def _coverage(parts: int, rate: float, correlation: float, samples: int, random: np.random.Generator) -> Coverage:
    spread = (1 - correlation) / correlation
    names = [str(photograph // _PHOTOGRAPHS) for photograph in range(parts * _PHOTOGRAPHS)]
    held = np.zeros(2)
    for _ in range(samples):
        by_part = random.beta(rate * spread, (1 - rate) * spread, parts)
        wrong = random.random(len(names)) < np.repeat(by_part, _PHOTOGRAPHS)
        held += (
            clustered_upper(wrong, names, confidence=_CONFIDENCE) >= rate,
            rate_upper(int(wrong.sum()), wrong.size, confidence=_CONFIDENCE) >= rate,
        )
    over_parts, over_photographs = (held / samples).tolist()
    return Coverage(
        parts=parts, rate=rate, correlation=correlation, over_parts=over_parts, over_photographs=over_photographs
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
