"""The numbers and shapes in docstrings are true."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")
MODULES = [
    ".".join(["beltline", *path.relative_to(SOURCE).with_suffix("").parts])
    for floor in FLOORS
    for path in sorted((SOURCE / floor).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", ["beltline", *MODULES])
def test_the_examples_in_docstrings_hold(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0
