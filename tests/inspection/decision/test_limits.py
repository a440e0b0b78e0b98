from typing import Any

import pytest
from beltline.inspection.decision.findings import Box, Finding
from beltline.inspection.decision.limits import WITHIN, Limit, judge_findings, rule
from beltline.inspection.decision.zones import Zone
from pydantic import ValidationError


def _finding(kind: str = "scratch", *, length: float = 10, area: float = 20, **more: Any) -> Finding:
    return Finding(
        kind=kind,
        box=Box(0, 0, length, 2),
        contour=[],
        area=area,
        length=length,
        width=area / length,
        peak=more.pop("peak", 0.9),
        mean=0.8,
        pixels_per_mm=more.pop("scale", 10.0),
        **more,
    )


def _action(limits: list[dict[str, Any]], *findings: Finding) -> tuple[str, str]:
    ruling = judge_findings(findings, [Limit.model_validate(each) for each in limits])
    return ruling.action, ruling.because


def test_without_limits_the_score_decides_as_ever() -> None:
    assert rule(0.5, 0.5, [], []).because == "score"
    assert not rule(0.49, 0.5, [_finding()], [Limit(kind="scratch")]).ejects


def test_a_rejecting_score_without_a_finding_is_not_excused() -> None:
    assert rule(0.9, 0.5, [], [Limit(accept=True)]).action == "reject"


def test_a_size_is_tolerated_up_to_its_limit() -> None:
    limits = [{"kind": "scratch", "longer_than_mm": 2}]
    assert _action(limits, _finding(length=20)) == ("accept", WITHIN)
    assert _action(limits, _finding(length=20.1)) == ("reject", "scratch longer than 2 mm")
    assert _action(limits, _finding(length=1, scale=None)) == ("reject", "scratch longer than 2 mm")


def test_what_no_limit_speaks_of_rejects() -> None:
    assert _action([{"kind": "scratch", "longer_than_mm": 2}], _finding(), _finding("crack")) == (
        "reject",
        "no limit for crack",
    )


def test_a_grey_zone_lies_between_two_limits() -> None:
    limits = [
        {"kind": "scratch", "longer_than_mm": 1, "review": True},
        {"kind": "scratch", "longer_than_mm": 2},
    ]
    assert _action(limits, _finding(length=9))[0] == "accept"
    assert _action(limits, _finding(length=15)) == ("review", "scratch longer than 1 mm")
    assert _action(limits, _finding(length=15), _finding(length=25)) == ("reject", "scratch longer than 2 mm")


def test_number_and_sums_count_the_part() -> None:
    limits = [{"kind": "pore", "more_than": 2, "total_larger_than_mm2": 1}]
    pore = _finding("pore", area=30)
    assert _action(limits, pore, pore)[0] == "accept"
    assert _action(limits, pore, pore, pore)[0] == "reject"
    assert _action(limits, _finding("pore", area=60), _finding("pore", area=60))[0] == "reject"


def test_a_zones_limits_go_before_those_for_everywhere() -> None:
    limits = [
        {"kind": "stain", "zone": "face"},
        {"kind": "stain", "zone": "edge", "accept": True},
        {"kind": "stain", "larger_than_mm2": 0.1},
    ]
    small, large = _finding("stain", area=5), _finding("stain", area=50)
    assert _action(limits, small)[0] == "accept"
    assert _action(limits, large)[0] == "reject"
    assert _action(limits, _finding("stain", area=50, zones={"edge": 0.95})) == ("accept", "accept stain in edge")
    assert _action(limits, _finding("stain", area=50, zones={"edge": 0.5}))[0] == "reject"
    assert _action(limits, _finding("stain", area=5, zones={"face": 0.05})) == ("reject", "stain in face")


def test_touching_a_lax_zone_excuses_nothing() -> None:
    limits = [{"zone": "edge", "longer_than_mm": 10}, {"longer_than_mm": 2}]
    assert _action(limits, _finding(length=50, zones={"edge": 1.0}))[0] == "accept"
    assert _action(limits, _finding(length=50, zones={"edge": 0.1}))[0] == "reject"
    assert _action(limits[:1], _finding(length=50, zones={"edge": 0.1})) == ("reject", "no limit for scratch")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"accept": True, "longer_than_mm": 2}, "leave accept out"),
        ({"accept": True, "review": True}, "accept and review"),
        ({"longer_than_mm": -1}, "greater than 0"),
        ({"longer": 1}, "longer"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(written: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Limit.model_validate(written)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"polygon": [[0, 0], [1, 1]]}, "at least 3"),
        ({"polygon": [[0, 0], [1, 1], [2, 2]]}, "enclose an area"),
        ({"polygon": [[0, 0], [10, 0], [10, 10]], "relative": True}, "leave `relative` out"),
        ({"polygon": [[-1, 0], [10, 0], [10, 10]]}, "from 0 on"),
    ],
)
def test_zones_that_cannot_be_meant_are_refused(written: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Zone.model_validate(written)
