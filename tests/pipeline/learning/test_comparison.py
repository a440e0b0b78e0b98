"""When a next version is worse than the one at work: on the parts where the two differ."""

from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.data.dataset import Sample
from beltline.inspection.line.gates import Gates, OverkillGate
from beltline.pipeline.learning.comparison import Decided, compare

GATES = Gates(overkill=OverkillGate(max=0.1))


def _samples(good: int, defective: int) -> list[Sample]:
    return [
        Sample(
            path=f"{number}.png",
            label="good" if number < good else "scratch",
            defective=number >= good,
            mask=None,
            group=str(number),
            split="test",
            digest=f"sha256:{number}",
            height=8,
            width=8,
        )
        for number in range(good + defective)
    ]


def _rejecting(count: int, *numbers: int) -> Decided:
    rejected = np.isin(np.arange(count), numbers)
    return Decided(rejected=rejected, scores=rejected.astype(np.float64), threshold=0.5, bundle="v")


def test_one_that_catches_a_defect_more_is_not_worse_and_the_bound_says_what_is_still_possible() -> None:
    found = compare(_rejecting(24, 20), _rejecting(24, 20, 21), _samples(20, 4), gates=GATES)
    assert found.reasons == ()
    assert found.escapes is not None
    assert (found.escapes.new_escapes, found.escapes.recovered) == (0, 1)
    assert found.escapes.increase_upper > 0.3, "four defective parts prove little"


def test_one_that_passes_a_defect_that_the_old_one_rejects_is_worse() -> None:
    found = compare(_rejecting(24, 20, 21), _rejecting(24, 20), _samples(20, 4), gates=GATES)
    assert found.reasons == ("it passes 1 defective parts that the old one rejects (21.png)",)


@pytest.mark.parametrize(("rejected", "worse"), [((0, 1), False), ((0, 1, 2), True)])
def test_more_overkill_is_worse_only_beyond_what_the_gate_allows(rejected: tuple[int, ...], worse: bool) -> None:
    found = compare(_rejecting(24), _rejecting(24, *rejected), _samples(20, 4), gates=GATES)
    assert bool(found.reasons) is worse
    assert found.overkill_rate == len(rejected) / 20


def test_without_a_defective_part_nothing_is_said_of_escapes() -> None:
    found = compare(_rejecting(20), _rejecting(20), _samples(20, 0), gates=GATES)
    assert found.escapes is None
    assert found.reasons == ()
