"""Every yaml file of the examples is one that Beltline takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.pipeline.line.line_file import load_line_file

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda path: path.relative_to(EXAMPLES).as_posix()
)
def test_it_is_read_and_its_teacher_is_shipped(path: Path) -> None:
    line_file = load_line_file(path)
    weights = line_file.teacher.weights
    assert weights is None or weights.is_file()
    assert line_file.recipes or line_file.search or path.name == "teacher.yaml"
