from __future__ import annotations

import json
from pathlib import Path

from beltline.inspection.data.settings import DataSettings
from beltline.inspection.line.gates import Gates, MissGate
from beltline.inspection.line.line import Bursts, Line
from beltline.pipeline.line.builtin import builtin_line_file
from beltline.pipeline.line.line_file import LineFile, MeasureSettings
from beltline.pipeline.line.plan import plan, plan_text

LINE = Line(
    belt_speed_mm_s=500,
    part_pitch_mm=120,
    camera_to_ejector_mm=60,
    fixed_ms={"exposure": 1, "transfer": 8, "plc": 5, "ejector": 20},
)


def test_the_belt_of_the_contract() -> None:
    facts = plan(LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data"))))
    assert facts["budget"] == {"period_ms": 240.0, "deadline_ms": 86.0, "miss_max": 0.001, "confidence": 0.99}
    assert [row["frames"] for row in facts["proof"]] == [4603, 6636, 8403, 13105]
    assert facts["proof"][0]["minutes"] == 18.41
    assert facts["parts"] == {"defective": 160, "good": 59}
    assert json.loads(json.dumps(facts)) == facts


def test_too_short_a_measurement_is_told_beforehand() -> None:
    short = LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")), measure=MeasureSettings(frames=200))
    notes = " ".join(plan(short)["notes"])
    assert "takes 18.41 minutes a row, measure.minutes is 3" in notes
    assert "measure.frames is 200: below 4603 no row can fit" in notes


def test_the_built_in_line_can_be_proved_in_the_time_it_takes() -> None:
    facts = plan(builtin_line_file(Path("runs")))
    assert facts["budget"]["period_ms"] == 20.0
    assert facts["budget"]["deadline_ms"] == 40.0
    assert facts["proof"][0]["minutes"] < 1
    assert not any("inconclusive" in note for note in facts["notes"])
    assert any("keep up" in note for note in facts["notes"])


def test_the_text_says_the_numbers() -> None:
    text = plan_text(plan(LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")))))
    for words in ("240 ms", "86 ms", "4603 frames", "160 defective", "0.1000% of frames"):
        assert words in text


def test_the_stall_allowed_for_multiplies_the_frames() -> None:
    gates = Gates(deadline_miss=MissGate(stall_ms=1_000))
    facts = plan(LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")), gates=gates))
    # a device busy for 86 of 240 ms catches up by 154 ms a frame: (1000 + 86 - 86) / 154 frames are late, rounded up
    assert facts["stall"] == {"stall_ms": 1000.0, "utilisation": 0.358333, "burst_frames": 7}
    assert [row["frames"] for row in facts["proof"]] == [7 * 4603, 7 * 6636, 7 * 8403, 7 * 13105]
    assert "up to 7 frames late in a row count as one event" in plan_text(facts)


def test_trying_several_recipes_is_told_to_cost_confidence() -> None:
    notes = plan(builtin_line_file(Path("runs")))["notes"]
    assert any(note.startswith("2 recipes are tried on one test split") and "0.975" in note for note in notes)


UNEVEN = LINE.model_copy(
    update={"cameras": 3, "jitter_ms": 2.5, "bursts": Bursts(every=50, parts=4, pitch_mm=40), "frames_per_part": 2}
)


def test_an_uneven_belt_in_front_of_several_cameras_is_told() -> None:
    facts = plan(LineFile(name="pcb", line=UNEVEN, data=DataSettings(root=Path("/data"))))
    assert facts["frames_per_s"] == 25.0
    assert facts["arrivals"] == {
        "cameras": 3,
        "jitter_ms": 2.5,
        "bursts": {"every": 50, "parts": 4, "pitch_mm": 40.0},
    }
    assert json.loads(json.dumps(facts)) == facts
    text = plan_text(facts)
    for words in (
        "3, triggered together",
        "up to 2.5 ms either way",
        "4 in every 50, 40 mm apart",
        "in time if a decision takes at most 28.67 ms",
        "where parts touch, a frame comes every 13.33 ms",
    ):
        assert words in text


def test_an_even_belt_in_front_of_one_camera_says_nothing_of_it() -> None:
    text = plan_text(plan(LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")))))
    assert "cameras" not in text
    assert "touch" not in text
