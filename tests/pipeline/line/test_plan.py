from __future__ import annotations

import json
from pathlib import Path

import pytest
from beltline.compress.recipe import RecipeSettings
from beltline.inspection.data.dataset import SPLITS, Dataset, Sample
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
    for expected in ("240 ms", "86 ms", "4603 frames", "160 defective", "0.1000% of frames"):
        assert expected in text


def test_the_stall_allowed_for_multiplies_the_frames() -> None:
    gates = Gates(deadline_miss=MissGate(stall_ms=1_000))
    facts = plan(LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")), gates=gates))
    # a device busy for 86 of 240 ms catches up by 154 ms a frame: (1000 + 86 - 86) / 154 frames are late, rounded up
    assert facts["stall"] == {"stall_ms": 1000.0, "utilisation": 0.358333, "burst_frames": 7}
    assert [row["frames"] for row in facts["proof"]] == [7 * 4603, 7 * 6636, 7 * 8403, 7 * 13105]
    assert "up to 7 frames late in a row count as one event" in plan_text(facts)


def test_a_stall_that_delays_one_frame_is_said_in_the_singular() -> None:
    line = LINE.model_copy(update={"frames_per_part": 1})
    facts = plan(LineFile(name="pcb", line=line, data=DataSettings(root=Path("/data"))))
    assert facts["stall"]["burst_frames"] == 1
    assert "each late frame counts as one event" in plan_text(facts)


def test_trying_several_recipes_is_told_to_cost_confidence() -> None:
    line_file = builtin_line_file(Path("runs"))
    shorter = RecipeSettings.model_validate({"name": "pruned", "steps": ("prune",)})
    notes = plan(line_file.model_copy(update={"recipes": (*line_file.recipes, shorter)}))["notes"]
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
    for expected in (
        "3, triggered together",
        "up to 2.5 ms either way",
        "4 in every 50, 40 mm apart",
        "in time if a decision takes at most 28.67 ms",
        "where parts touch, a frame comes every 13.33 ms",
    ):
        assert expected in text


def test_an_even_belt_in_front_of_one_camera_says_nothing_of_it() -> None:
    text = plan_text(plan(LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")))))
    assert "cameras" not in text
    assert "touch" not in text


def _dataset(*, defective_parts: int, good_parts: int, images: int) -> Dataset:
    """A data set whose test split holds so many parts, each with so many images."""
    samples = [
        Sample(
            path=f"{split}/{label}{part}_{image}.png", label=label, defective=label != "good", mask=None,
            group=f"{split} {label} {part}", split=split, digest=f"{split}{label}{part}{image}", height=8, width=8,
        )
        for split in SPLITS
        for label, parts in (("pit", defective_parts), ("good", good_parts))
        for part in range(parts if split == "test" else 1)
        for image in range(images)
    ]  # fmt: skip
    return Dataset(name="made", root=Path("/nowhere"), channels=1, bit_depth=8, samples=tuple(samples), notes=("so",))


def test_what_the_data_can_prove_stands_beside_what_the_gates_ask_for() -> None:
    line_file = LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")))
    facts = plan(line_file, _dataset(defective_parts=200, good_parts=40, images=3))
    gates = facts["data"]["gates"]
    assert (gates["escape"]["images"], gates["escape"]["parts"], gates["escape"]["needed"]) == (600, 200, 59)
    assert gates["escape"]["upper"] == pytest.approx(1 - 0.05 ** (1 / 200), rel=1e-3)
    assert gates["increase"]["upper"] == pytest.approx(1 - 0.04 ** (1 / 200), rel=1e-3)
    assert gates["overkill"]["allowed"] is None
    assert facts["data"]["kinds"] == {"pit": 600}
    text = plan_text(facts)
    assert "120 images of 40 parts: if no good part is rejected, at most 7.22% at 95% confidence, gate 5.00%" in text
    assert "cannot be proven; it takes 59 parts at least" in text
    assert "note: data: so" in text
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(("parts", "allowed"), [(58, None), (59, 0), (92, 0), (93, 1), (180, 3), (181, 4)])
def test_the_images_that_may_go_wrong_are_counted_as_the_verdict_counts(parts: int, allowed: int | None) -> None:
    line_file = LineFile(name="pcb", line=LINE, data=DataSettings(root=Path("/data")))
    facts = plan(line_file, _dataset(defective_parts=parts, good_parts=2, images=1))
    # Clopper-Pearson at 95 %: 59 parts prove 5 % without an escape, 93 with one (MLPerf's rule).
    assert facts["data"]["gates"]["escape"]["allowed"] == allowed
