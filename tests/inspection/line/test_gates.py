from __future__ import annotations

import pytest
from beltline.inspection.line.gates import Gates
from pydantic import ValidationError


def test_defaults_are_those_of_the_design() -> None:
    assert Gates().model_dump() == {
        "deadline_miss": {"max": 0.001, "confidence": 0.99, "stall_ms": 100.0},
        "escape": {"max": 0.05, "max_increase": 0.02, "confidence": 0.95},
        "overkill": {"max": 0.05, "confidence": 0.95},
    }


def test_a_gate_keeps_the_defaults_of_what_is_left_out() -> None:
    gates = Gates.model_validate({"overkill": {"max": 0.1}})
    assert (gates.overkill.max, gates.overkill.confidence) == (0.1, 0.95)


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        ("overkill", {"max": 5}),
        ("overkill", {"max": 0}),
        ("escape", {"max_rise": 0.02}),
        ("escape", {"max": 0}),
        ("escape", {"confidence": 95}),
        ("deadline_miss", {"confidence": 1}),
        ("deadline_miss", {"max": "0.1 %"}),
        ("deadline_miss", {"stall_ms": -1}),
        ("deadline_miss", {"stall_ms": "100 ms"}),
        ("underkill", {"max": 0.1}),
    ],
)
def test_impossible_gates_are_refused(gate: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Gates.model_validate({gate: value})
