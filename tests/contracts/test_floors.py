"""A floor imports itself and the floors below it, never above; and nothing by its bare name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")
ALSO_BELOW = {"station": ("inspection", "targets", "export")}
FILES = sorted(path for floor in FLOORS for path in (SOURCE / floor).rglob("*.py"))


def allowed(floor: str) -> set[str]:
    return {floor, *ALSO_BELOW.get(floor, FLOORS[: FLOORS.index(floor)])}


def floors_imported(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield line and floor of each import that leads into the house, however it is written."""
    package = ["beltline", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names] if start == "beltline" else [start]
        for name in names:
            parts = name.split(".")
            if parts[0] == "beltline" and len(parts) > 1:
                yield node.lineno, parts[1]
            elif parts[0] in FLOORS:
                yield node.lineno, f"bare {parts[0]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_import_looks_upstairs(path: Path) -> None:
    floor = path.relative_to(SOURCE).parts[0]
    upstairs = [
        (line, other) for line, other in floors_imported(path, path.read_text("utf-8")) if other not in allowed(floor)
    ]
    assert upstairs == []


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("from ..pipeline.run import run_job", "pipeline"),
        ("from .. import pipeline", "pipeline"),
        ("from ..pipeline import run", "pipeline"),
        ("def f():\n    from ..pipeline.run import run_job", "pipeline"),
        ("import beltline.pipeline.run", "pipeline"),
        ("from beltline import pipeline", "pipeline"),
        ("import export", "bare export"),
        ("from pipeline.run import run_job", "bare pipeline"),
    ],
)
def test_the_test_itself_sees_every_way_to_look_upstairs(text: str, floor: str) -> None:
    assert [each for _, each in floors_imported(SOURCE / "inspection" / "line.py", text)] == [floor]
