from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from beltline.inspection.base.errors import BeltlineError, LineFileError
from beltline.pipeline.line.builtin import builtin_line_file
from beltline.pipeline.line.line_file import LineFile, load_line_file, lock_text
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = """\
line:
  belt_speed_mm_s: 500
  part_pitch_mm: 120
  camera_to_ejector_mm: 60
  fixed_ms: {exposure: 1, transfer: 8, plc: 5, ejector: 20}
data:
  root: frames
"""


TAKEN = "taken"


def load(folder: Path, text: str) -> LineFile:
    path = folder / "line.yaml"
    path.write_text(text, encoding="utf-8")
    return load_line_file(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(LineFileError) as caught:
        load(folder, text)
    return str(caught.value).replace(str(folder), "HERE")


def reason_against(path: Path) -> str:
    try:
        load_line_file(path)
    except BeltlineError as error:
        return str(error)
    return TAKEN


def test_the_example_of_the_contract_reads_with_its_defaults(tmp_path: Path) -> None:
    line_file = load(tmp_path, GOOD)
    assert [each.label for each in line_file.target] == ["local"]
    assert line_file.gates.deadline_miss.max == 0.001
    assert line_file.measure.minutes == 3
    assert line_file.seed == 0


def test_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    line_file = load(
        tmp_path, GOOD + "teacher: {factory: 'my_models:build', weights: ../teacher.safetensors, normalisation: unit}\n"
    )
    assert line_file.teacher.folder == tmp_path
    assert line_file.data.root == tmp_path / "frames"
    assert line_file.teacher.weights == tmp_path.parent / "teacher.safetensors"


@pytest.mark.parametrize(("folder", "name"), [("tiles", "tiles"), ("my tiles (2)", "my_tiles_2_"), ("...", "line")])
def test_the_name_is_the_folders_made_safe(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir()
    assert load(tmp_path / folder, GOOD).run_name == name


@pytest.mark.parametrize("name", ["../up", ".", "..", "a/b", "", "a b", "x" * 65, ".hidden"])
def test_a_name_cannot_leave_the_folder_of_runs(tmp_path: Path, name: str) -> None:
    assert "HERE/line.yaml:8: name: wanted text" in refusal(tmp_path, GOOD + f"name: {name!r}\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "belt_speed_mm_s",
            "belt_sped_mm_s",
            "HERE/line.yaml:2: line.belt_sped_mm_s: unknown key; did you mean 'belt_",
        ),
        ("belt_speed_mm_s: 500", "belt_speed_m_s: 0.5", "did you mean 'belt_speed_mm_s'?"),
        ("  part_pitch_mm: 120\n", "", "HERE/line.yaml:1: line.part_pitch_mm: is missing; add it"),
        (
            ": 500",
            ": 500 mm/s",
            'HERE/line.yaml:2: line.belt_speed_mm_s: wanted a number, got "500 mm/s"; write the nu',
        ),
        (": 500", ": -500", "HERE/line.yaml:2: line.belt_speed_mm_s: wanted a number > 0, got -500"),
        (": 500", ": true", "HERE/line.yaml:2: line.belt_speed_mm_s: wanted a number, got true"),
        (": 500", ": .inf", "HERE/line.yaml:2: line.belt_speed_mm_s: wanted a number, got"),
        (": 500", ": 1e999", "HERE/line.yaml:2: line.belt_speed_mm_s: wanted a finite number"),
        (": 500", ":", "HERE/line.yaml:2: line.belt_speed_mm_s: wanted a number, got nothing"),
        ("plc: 5", "plc: [5]", "HERE/line.yaml:5: line.fixed_ms.plc: wanted a number, got [5]"),
        ("root: frames", "root: 7", "HERE/line.yaml:7: data.root: wanted a path, got 7"),
        ("root: frames", "{}", "HERE/line.yaml:6: data.root: is missing"),
        ("root: frames", "root: frames\n  reader: label_csv", "HERE/line.yaml:8: data.reader: wanted one of"),
        ("ejector: 20", "ejector: 120", "HERE/line.yaml:1: line: deadline_ms must be > 0, got -14"),
        (": 500", ": 500\n  cameras: 0", "HERE/line.yaml:3: line.cameras: wanted a number >= 1, got 0"),
        (": 500", ": 500\n  jitter_ms: -2", "HERE/line.yaml:3: line.jitter_ms: wanted a number >= 0, got -2"),
        (": 500", ": 500\n  jitter_ms: 200", "HERE/line.yaml:1: line: jitter_ms must be at most half of the 240 ms"),
        (": 500", ": 500\n  jiter_ms: 2", "HERE/line.yaml:3: line.jiter_ms: unknown key; did you mean 'jitter_ms'?"),
        (
            ": 500",
            ": 500\n  bursts: {every: 50, parts: 4}",
            "HERE/line.yaml:3: line.bursts.pitch_mm: is missing; add it",
        ),
        (
            ": 500",
            ": 500\n  bursts: {every: 50, parts: 4, pitch_mm: 130}",
            "HERE/line.yaml:1: line: bursts.pitch_mm must be below part_pitch_mm (120), got 130",
        ),
    ],
)
def test_a_mistake_in_the_line_is_answered_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in refusal(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("tagret: local\n", "HERE/line.yaml:8: tagret: unknown key; did you mean 'target'?"),
        ("target: locl\n", "HERE/line.yaml:8: target: wanted one of"),
        ("target: locl\n", "did you mean 'local'?"),
        ("target: [local, {profile: locl}]\n", "HERE/line.yaml:8: target[1]: wanted one of"),
        ("target: ssh://me@host/there\n", "HERE/line.yaml:8: target.ssh: wanted ssh://user@host or"),
        ("target:\n  ssh: ssh://me@host\n  profil: local\n", "target.profil: unknown key; did you mean 'profile'?"),
        ("target: [local, local]\n", "HERE/line.yaml:8: target: every device wants its own name, got 'local'"),
        ("threads: 0\n", "HERE/line.yaml:8: threads: wanted a number >= 1, got 0"),
        ("threads: true\n", "HERE/line.yaml:8: threads: wanted a number, got true"),
        ("seed: -1\n", "HERE/line.yaml:8: seed: wanted a number >= 0"),
        ("name: 12\n", "HERE/line.yaml:8: name: wanted text, got 12; put it in quotes"),
        ("gates:\n  overkill: {max: 5}\n", "HERE/line.yaml:9: gates.overkill.max: wanted a number < 1, got 5"),
        ("gates: 3\n", "HERE/line.yaml:8: gates: wanted a block of keys (`key: value`), got 3"),
        ("measure: {minutes: 3 min}\n", "HERE/line.yaml:8: measure.minutes: wanted a number"),
        ("recipes: {name: a}\n", "HERE/line.yaml:8: recipes: wanted a list"),
        ("recipes: [{name: a}, {name: a}]\n", "HERE/line.yaml:8: recipes: every recipe wants its own name, got 'a'"),
        ("recipes:\n- {name: a, backend: openvino}\n", "HERE/line.yaml:9: recipes[0].backend: wanted one of"),
        ("recipes:\n- {name: a, backend: openvino}\n", "did you mean 'open_vino'?"),
        ("recipes:\n- name: a\n  steps:\n  - prun: {}\n", "HERE/line.yaml:11: recipes[0].steps[0]: wanted one of"),
        (
            "recipes:\n- name: a\n  steps:\n  - prune:\n      ratio: 1.5\n",
            "HERE/line.yaml:12: recipes[0].steps[0].prune.ratio: wanted a number < 1, got 1.5",
        ),
        (
            "recipes:\n- name: a\n  steps: [{prune: {rato: 0.5}}]\n",
            "HERE/line.yaml:10: recipes[0].steps[0].prune.rato: unknown key; did you mean 'ratio'?",
        ),
        (
            "teacher:\n  network:\n    family: plain\n    widht: 8\n",
            "HERE/line.yaml:11: teacher.network.widht: unknown key; did you mean 'width'?",
        ),
        ("teacher: {network: {family: plane}}\n", "HERE/line.yaml:8: teacher.network: "),
        ("teacher: {device: gpu}\n", "HERE/line.yaml:8: teacher.device: wanted 'auto', 'cpu' or 'cuda', got \"gpu\""),
    ],
)
def test_a_mistake_elsewhere_is_answered_with_its_place(tmp_path: Path, more: str, message: str) -> None:
    assert message in refusal(tmp_path, GOOD + more)


def test_all_mistakes_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = GOOD.replace("500", "fast").replace("root: frames", "roots: frames") + "seeds: 3\n"
    lines = [line.split(":")[1] for line in refusal(tmp_path, text).splitlines()]
    assert lines == ["2", "6", "7", "8"]


def test_many_mistakes_are_cut_short(tmp_path: Path) -> None:
    text = GOOD + "".join(f"odd_{i}: 1\n" for i in range(30))
    answer = refusal(tmp_path, text).splitlines()
    assert len(answer) == 11
    assert answer[-1] == "... and 20 more"


def test_the_lock_reads_back_as_the_same_line(tmp_path: Path) -> None:
    steps = "recipes:\n- {name: small, steps: [{prune: {ratio: 0.4}}]}\n"
    line_file = load(tmp_path, GOOD + steps)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "line.lock.yaml").write_text(lock_text(line_file), encoding="utf-8")
    again = load_line_file(elsewhere / "line.lock.yaml")
    assert lock_text(again) == lock_text(line_file)
    assert again.model_dump() == line_file.model_dump()


def test_the_lock_holds_what_was_left_out(tmp_path: Path) -> None:
    locked = yaml.safe_load(lock_text(load(tmp_path, GOOD)))
    assert locked["gates"]["overkill"] == {"max": 0.05, "confidence": 0.95}
    assert locked["teacher"]["fit"]["epochs"] > 0
    assert locked["data"]["root"] == str(tmp_path / "frames")


def test_the_built_in_line_is_a_line_file_too(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(lock_text(builtin_line_file(tmp_path)), encoding="utf-8")
    assert load_line_file(tmp_path / "line.yaml").model_dump() == builtin_line_file(tmp_path).model_dump()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, max_size=6), inner),
    max_leaves=6,
)
KEYS = st.sampled_from([*LineFile.model_fields, "lines"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_stands_in_a_section_is_taken_or_refused_with_a_message(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "line.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(GOOD), **sections}), encoding="utf-8")
    assert reason_against(path).startswith((TAKEN, str(path)))


@settings(max_examples=100, deadline=None)
@given(
    speed=st.floats(0.1, 1e5),
    pitch=st.floats(0.1, 1e4),
    distance=st.floats(0.1, 1e5),
    fixed=st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=8), st.floats(0, 1e4), max_size=4),
)
def test_every_line_has_a_deadline_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, speed: float, pitch: float, distance: float, fixed: dict[str, float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "line.yaml"
    line = {"belt_speed_mm_s": speed, "part_pitch_mm": pitch, "camera_to_ejector_mm": distance, "fixed_ms": fixed}
    path.write_text(yaml.safe_dump({"line": line, "data": {"root": "."}}), encoding="utf-8")
    left_ms = 1000 * distance / speed - sum(fixed.values())
    reason = reason_against(path)
    assert left_ms > 0 if reason == TAKEN else left_ms <= 0 or "every 120 s" in reason


def test_the_folder_of_a_users_own_student_starts_at_the_line_file(tmp_path: Path) -> None:
    own = '{family: factory, factory: "own:build", folder: code}'
    line_file = load(tmp_path, GOOD + f"recipes: [{{name: own, steps: [{{distill: {{network: {own}}}}}]}}]\n")
    network = line_file.recipes[0].steps[0].settings.network
    assert Path(network["folder"]) == tmp_path / "code"


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ("{factory: 'a:b', normalisation: unit}", "HERE/line.yaml:8: teacher: factory needs weights"),
        ("{network: {family: nix}}", "HERE/line.yaml:8: teacher.network: family: wanted one of"),
    ],
)
def test_a_place_is_written_once(tmp_path: Path, teacher: str, message: str) -> None:
    assert refusal(tmp_path, f"{GOOD}teacher: {teacher}\n").startswith(message)
