"""A floor imports itself and the floors below it, never above, nothing by its bare name, and no file in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline", "studies")
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


def files_imported(path: Path, tree: ast.Module) -> Iterator[Path]:
    """Yield the house's files that a file imports, late and `TYPE_CHECKING` imports counted in."""
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.level):
        base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        for candidate in [base.with_suffix(".py"), *(base / f"{alias.name}.py" for alias in node.names)]:
            if candidate.is_file() and candidate != path:
                yield candidate
        if (base / "__init__.py").is_file() and not all((base / f"{each.name}.py").is_file() for each in node.names):
            yield base / "__init__.py"


def test_no_files_import_each_other_in_a_circle() -> None:
    imported = {path: set(files_imported(path, ast.parse(path.read_text("utf-8")))) - {path} for path in FILES}
    assert sum(map(len, imported.values())) > len(FILES)
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the files
