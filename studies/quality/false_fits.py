"""How often does a line `fit` although too many defects escape? `python -m beltline.studies.quality.false_fits`.

Thousands of lines are drawn with a teacher that is useless, weak or good and a student of it, few to many defects in
the test, and one or several photographs of each part. Scores are normal, so the true share of escapes at the fitted
threshold is known. Each line goes through what a run goes through: the threshold fitted on val, escapes counted on
test against the teacher's, the escape gate. The other gates are left out: they could only make fewer lines fit. A
`fits` with a true escape rate above `gates.escape.max` is false.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import erf, sqrt
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.gates.escape import GATE as ESCAPE
from ...benchmarks.proof.gate import Evidence, Run
from ...benchmarks.proof.miss_rate import Outcome, Proof
from ...inspection.data.dataset import Sample
from ...inspection.line.gates import EscapeGate, Gates
from ...inspection.statistics.bounds import rate_upper
from ...inspection.statistics.judging import decide, judge_quality
from ...inspection.statistics.threshold import EscapeLimit, operating_point

LINES = 2_000
DEFECTS = (10, 60, 200, 1_000)
"""In the test; a line has one of these numbers."""

_SHIFTS = {"useless": (-0.5, 0.5), "weak": (1.0, 3.0), "good": (3.0, 5.5)}
"""How far defects lie above good parts in the teacher's scores, in standard deviations of these."""

_IN_TIME = Run(
    proof=Proof(verdict="fits", misses=0, frames=4603, upper=0.001, lower=0.0, frames_needed=0), deadline_ms=10.0
)
_ANY = EscapeGate(max=0.999)
"""What the gate was before it had a bound of its own: only the rise over the teacher counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of one line.

    Attributes:
        teacher: `useless`, `weak` or `good`.
        defects: In the test.
        escape_rate: True share of defects that the student passes at its threshold.
        outcome: Of the escape gate.
        by_rise_alone: The same if only the rise over the teacher were bounded.
    """

    teacher: str
    defects: int
    escape_rate: float
    outcome: Outcome
    by_rise_alone: Outcome

    @property
    def too_many(self) -> bool:
        """Whether more defects truly escape than the gate allows."""
        return self.escape_rate > EscapeGate().max


def draw_lines(lines: int, *, seed: int) -> Iterator[Judged]:
    """Draw lines, each with a teacher of its own, and judge them."""
    for index in range(lines):
        random = np.random.default_rng([seed, index])
        teacher = list(_SHIFTS)[index % len(_SHIFTS)]
        yield _judged(random, teacher, DEFECTS[index // len(_SHIFTS) % len(DEFECTS)])


def _judged(random: np.random.Generator, teacher: str, defects: int) -> Judged:
    shift = random.uniform(*_SHIFTS[teacher])
    kept, alike = random.uniform(0.95, 1.0), float(random.choice([1.0, random.uniform(0.9, 1.0)]))
    photographs, together = int(random.choice([1, 3])), random.uniform(0.3, 0.9)
    good = int(random.choice([150, 500]))
    splits = []
    for bad in (max(10, defects // 2), defects):
        samples = _samples(good, bad, photographs)
        base = _part_noise(random, samples, together)
        noise = _part_noise(random, samples, together)
        defective = np.array([sample.defective for sample in samples])
        own = alike * base + sqrt(1 - alike**2) * noise
        splits.append((samples, base + shift * defective, own + kept * shift * defective))
    (val, val_teacher, val_student), (test, test_teacher, test_student) = splits
    cuts = [_threshold(scores, val) for scores in (val_teacher, val_student)]
    reference = decide("teacher", test_teacher, test, threshold=cuts[0])
    quality = judge_quality(test_student, test, threshold=cuts[1], gates=Gates(), teacher=reference)
    evidence = Evidence(run=_IN_TIME, quality=quality)
    return Judged(
        teacher=teacher,
        defects=defects,
        escape_rate=(1 + erf((cuts[1] - kept * shift) / sqrt(2))) / 2,
        outcome=ESCAPE.judge(evidence, EscapeGate()).outcome,
        by_rise_alone=ESCAPE.judge(evidence, _ANY).outcome,
    )


def _threshold(scores: NDArray[np.float64], samples: Sequence[Sample]) -> float:
    gates = Gates()
    defective = [sample.defective for sample in samples]
    return operating_point(
        scores,
        defective,
        max_overkill=gates.overkill.max,
        confidence=gates.overkill.confidence,
        escape_limits=[EscapeLimit(of=defective, max=gates.escape.max)],
    ).threshold


def _samples(good: int, bad: int, photographs: int) -> list[Sample]:
    return [
        Sample(
            path=f"{index}.png",
            label="pit" if index < bad else "good",
            defective=index < bad,
            mask=None,
            group=f"{index < bad}-{index // photographs}",
            split="test",
            digest="",
            height=1,
            width=1,
        )
        for index in range(good + bad)
    ]


def _part_noise(random: np.random.Generator, samples: Sequence[Sample], together: float) -> NDArray[np.float64]:
    """Draw standard normal values of which those of one part share a variance of `together`."""
    _, part = np.unique([sample.group for sample in samples], return_inverse=True)
    of_parts = random.standard_normal(int(part.max()) + 1)[part]
    return sqrt(together) * of_parts + sqrt(1 - together) * random.standard_normal(len(samples))


def write_table(judged: Sequence[Judged], stream: TextIO) -> None:
    """Write a row for each kind of teacher and number of defects, then what all lines together say, as Markdown."""
    stream.write("| teacher | defects | lines | too many escape | fits | of them false | misses | inconclusive | ")
    stream.write("fits by the rise alone | of them false |\n" + "| --- " * 10 + "|\n")
    for teacher in _SHIFTS:
        for defects in DEFECTS:
            lines = [each for each in judged if (each.teacher, each.defects) == (teacher, defects)]
            stream.write(_row(teacher, f"{defects:,}", lines))
    stream.write(_row("all", "", judged))
    fits, false = false_fits(judged)
    above = [each for each in judged if each.too_many]
    stream.write(
        f"\nOf {fits:,} lines that fit, {false} let more than {EscapeGate().max:.0%} of defects escape: "
        f"{_share(false, fits)}. Of {len(above):,} lines that do, {false} fit: {_share(false, len(above))}.\n"
    )


def false_fits(judged: Sequence[Judged]) -> tuple[int, int]:
    """Count the lines that fit, and those among them from which more defects escape than the gate allows."""
    fits = [each for each in judged if each.outcome == "fits"]
    return len(fits), sum(each.too_many for each in fits)


def _row(teacher: str, defects: str, lines: Sequence[Judged]) -> str:
    counts = {outcome: sum(each.outcome == outcome for each in lines) for outcome in ("fits", "misses", "inconclusive")}
    before = [each for each in lines if each.by_rise_alone == "fits"]
    cells = [
        teacher, defects, len(lines), sum(each.too_many for each in lines), counts["fits"], false_fits(lines)[1],
        counts["misses"], counts["inconclusive"], len(before), sum(each.too_many for each in before),
    ]  # fmt: skip
    return f"| {' | '.join(str(cell) for cell in cells)} |\n"


def _share(count: int, of: int) -> str:
    upper = rate_upper(count, of, confidence=0.95) if of else 1.0
    return f"{count / max(1, of):.2%}, at most {upper:.2%} with 95 % confidence"


def main(argv: Sequence[str]) -> int:
    """Draw the lines and print the table; exit 1 if more lines fit falsely than the gate's confidence allows."""
    parser = argparse.ArgumentParser(prog="python -m beltline.studies.quality.false_fits", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.lines < 1:
        parser.error(f"--lines must be at least 1, got {options.lines}")
    judged = list(draw_lines(options.lines, seed=options.seed))
    write_table(judged, sys.stdout)
    fits, false = false_fits(judged)
    return 1 if false > (1 - EscapeGate().confidence) * fits else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
