from pathlib import Path

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.pipeline.line.line_file import load_line_file, lock_text

HEAD = "line: {belt_speed_mm_s: 500, part_pitch_mm: 120, camera_to_ejector_mm: 60}\ndata: {root: parts}\n"
ZONES = "zones:\n  edge: {polygon: [[0, 0], [1, 0], [1, 0.1]], relative: true}\n"


def _load(folder: Path, text: str) -> object:
    path = folder / "line.yaml"
    path.write_text(HEAD + text)
    return load_line_file(path)


def test_limits_and_zones_are_read_and_written_back(tmp_path: Path) -> None:
    line = _load(
        tmp_path,
        f"camera: {{pixels_per_mm: 48}}\n{ZONES}limits:\n  - {{kind: scratch, longer_than_mm: 2}}\n"
        "  - {kind: stain, zone: edge, accept: true}\n",
    )
    assert line.judging.limits[0].text == "scratch longer than 2 mm"  # type: ignore[attr-defined]
    (tmp_path / "line.yaml").write_text(lock_text(line))  # type: ignore[arg-type]
    assert load_line_file(tmp_path / "line.yaml") == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits:\n  - {kind: a}\n  - {kind: b, longer_than_mm: 2}\n", "line.yaml:5: .*longer_than_px"),
        ("limits:\n  - {zone: rim}\n", "wanted the name of a zone, got 'rim'"),
        (f"{ZONES}limits:\n  - {{zone: egde}}\n", "zones has edge"),
        ("limits:\n  - {longer: 2}\n", "longer"),
        ("zones:\n  edge: {polygon: [[0, 0], [1, 1]]}\n", "polygon"),
    ],
)
def test_limits_that_cannot_be_held_are_answered_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(LineFileError, match=said):
        _load(tmp_path, text)
