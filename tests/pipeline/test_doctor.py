from __future__ import annotations

import json
from typing import Any

import pytest
from beltline.pipeline.doctor import _notes, _notes_on_time, devices_text, doctor_text, examine, known_devices


def test_doctor_names_each_part_and_how_to_get_it() -> None:
    facts = examine()
    assert json.loads(json.dumps(facts)) == facts
    assert {"torch_eager", "onnx_runtime", "open_vino"} <= {part["name"] for part in facts["parts"]}
    text = doctor_text(facts, verbose=True)
    assert facts["machine"]["cpu"] in text
    assert all(part["name"] in text for part in facts["parts"])


def test_doctor_shows_the_command_for_what_is_missing() -> None:
    facts = examine()
    message = "not installed; run: pip install 'beltline[openvino]'"
    parts = [{**part, "missing": message} for part in facts["parts"]]
    assert message in doctor_text({**facts, "parts": parts})


def test_notes_say_what_disturbs_a_measurement() -> None:
    notes = " ".join(_notes({"isa": ["avx2"], "governor": "powersave", "power": "battery"}))
    assert "INT8 saves size, and little time; its weights are made in 7 bits" in notes
    assert "powersave" in notes
    assert "battery" in notes
    assert _notes({"isa": ["avx512_vnni"], "governor": None, "power": None}) == []
    (slow,) = _notes({"architecture": "aarch64", "isa": ["asimd"], "governor": None, "power": None})
    assert slow.endswith("INT8 saves size, and little time")


_QUIET = {
    "cpu_quota": None,
    "hypervisor": False,
    "power_mode": None,
    "clocksource": "tsc",
    "conditions": {"swap_used_mb": 0.0},
}


def test_a_machine_that_keeps_time_needs_no_note() -> None:
    assert _notes_on_time(_QUIET, {"late_p99_us": 3.0}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cpu_quota": 1.5}, "limited to 1.5 CPUs"),
        ({"hypervisor": True}, "virtual machine"),
        ({"power_mode": "quiet"}, "power mode is quiet"),
        ({"clocksource": "hpet"}, "clocksource=tsc"),
        ({"conditions": {"swap_used_mb": 51.0}}, "51 MB are swapped out"),
    ],
)
def test_notes_say_what_takes_time_away(changes: dict[str, Any], message: str) -> None:
    (note,) = _notes_on_time({**_QUIET, **changes}, {"late_p99_us": 3.0})
    assert message in note


def test_a_late_timer_is_noted_and_its_figures_told() -> None:
    assert "timer is late" in _notes_on_time(_QUIET, {"late_p99_us": 400.0})[0]
    facts = examine()
    assert f"holds a period of {facts['timer']['shortest_period_ns'] / 1e6:g} ms" in doctor_text(facts)


def test_devices_are_listed_with_their_sources() -> None:
    facts = known_devices()
    assert json.loads(json.dumps(facts)) == facts
    assert "local" in {device["name"] for device in facts["devices"]}
    assert len(devices_text(facts, verbose=True)) > len(devices_text(facts))
