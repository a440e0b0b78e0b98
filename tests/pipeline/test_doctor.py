from __future__ import annotations

import json

from beltline.pipeline.doctor import devices_text, doctor_text, examine, known_devices


def test_doctor_names_each_part_and_how_to_get_it() -> None:
    facts = examine()
    assert json.loads(json.dumps(facts)) == facts
    assert {"torch_eager", "onnx_runtime", "open_vino"} <= {part["name"] for part in facts["parts"]}
    text = doctor_text(facts, verbose=True)
    assert facts["machine"]["cpu"] in text
    assert all(part["name"] in text for part in facts["parts"])


def test_doctor_shows_the_command_for_what_is_missing() -> None:
    facts = examine()
    words = "not installed; run: pip install 'beltline[openvino]'"
    parts = [{**part, "missing": words} for part in facts["parts"]]
    assert words in doctor_text({**facts, "parts": parts})


def test_notes_say_what_disturbs_a_measurement() -> None:
    from beltline.pipeline.doctor import _notes

    notes = " ".join(_notes({"isa": ["avx2"], "governor": "powersave", "power": "battery"}))
    assert "INT8" in notes
    assert "powersave" in notes
    assert "battery" in notes
    assert _notes({"isa": ["avx512_vnni"], "governor": None, "power": None}) == []


def test_devices_are_listed_with_their_sources() -> None:
    facts = known_devices()
    assert json.loads(json.dumps(facts)) == facts
    assert "local" in {device["name"] for device in facts["devices"]}
    assert len(devices_text(facts, verbose=True)) > len(devices_text(facts))
