from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path

import pytest
from beltline.compress.recipe import Step
from beltline.inspection.base.errors import BeltlineError, DataError
from beltline.inspection.base.plugins import (
    PLUGIN_FOLDERS,
    broken_plugins,
    constant_of,
    contract_of,
    lacking,
    plugins,
    unknown_plugin,
)
from beltline.inspection.readers import reader_for
from beltline.pipeline.doctor import doctor_text, examine
from pydantic import ValidationError

Add = Callable[..., None]
SOURCE = Path(__file__).parents[3]
READER = """
class Other:
    name, layout = "{name}", "none"

    def detects(self, root):
        return False

    def read(self, root):
        return []


READER = Other()
"""


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Give a function that installs a package with one entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))
    brought: list[str] = []

    def put(package: str, code: str, group: str, name: str, constant: str) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[beltline.{group}]\n{name} = {module}:{constant}\n")
        brought.append(module)
        invalidate_caches()
        plugins.cache_clear()

    yield put
    plugins.cache_clear()
    for each in brought:
        sys.modules.pop(each, None)


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_every_file_of_a_folder_holds_a_plug_in_that_keeps_the_contract(folder: str) -> None:
    found = plugins(folder)
    assert found
    assert broken_plugins(folder) == {}
    for name, plugin in found.items():
        assert plugin.name == name
        assert lacking(folder, plugin) == [], name


def test_every_folder_of_plug_ins_is_listed() -> None:
    """A folder whose files hold the constant that is named after it is one of plug-ins, and so known to `doctor`."""
    found = set()
    for floor in ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline"):
        for path in (SOURCE / floor).rglob("*.py"):
            folder = path.parent.parent if path.name == "__init__.py" else path.parent
            dotted = ".".join(folder.relative_to(SOURCE).parts)
            if dotted and re.search(rf"^{constant_of(dotted)}(:.*)? = ", path.read_text("utf-8"), re.MULTILINE):
                found.add(dotted)
    assert found == set(PLUGIN_FOLDERS)
    assert all(contract_of(folder).__doc__ for folder in PLUGIN_FOLDERS)


def test_anothers_plug_in_stands_among_them(add: Add) -> None:
    add("other-layout", READER.format(name="other"), "readers", "other", "READER")
    assert "other" in plugins("inspection.readers")
    (part,) = [each for each in examine()["parts"] if each["name"] == "other"]
    assert part == {"kind": "reader", "name": "other", "missing": None, "package": "other-layout"}
    assert "ready, from other-layout" in doctor_text(examine())


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("READERS = 1", "AttributeError: module 'broken_layout' has no attribute 'READER'"),
        ("READER = object()", "broken_layout:READER has no `name`"),
        ("class READER:\n    name = 'odd'\n    layout = ''", "broken_layout:READER lacks detects, read"),
    ],
)
def test_a_broken_one_is_named_with_its_package_and_breaks_nothing_else(
    add: Add, code: str, why: str, tmp_path: Path
) -> None:
    before = set(plugins("inspection.readers"))
    add("broken-layout", code, "readers", "odd", "READER")
    assert set(plugins("inspection.readers")) == before
    (text,) = broken_plugins("inspection.readers").values()
    assert text.startswith("the package broken-layout 1.2 cannot be used as reader: ")
    assert why in text
    assert text.endswith("update that package or remove it")
    assert text in doctor_text(examine())
    with pytest.raises(DataError, match=r"got .odd.; the package broken-layout 1\.2 cannot be used"):
        reader_for(tmp_path, "odd")
    with pytest.raises(DataError, match=r"none of the known layouts .* the package broken-layout 1\.2 cannot be used"):
        reader_for(tmp_path)


def test_a_recipe_that_wants_a_broken_method_is_told_which_package_it_is(add: Add) -> None:
    add("broken-method", "1 / 0", "methods", "shrink", "METHOD")
    assert Step.model_validate("quantize").method == "quantize"
    with pytest.raises(ValidationError, match=r"the package broken-method 1\.2 cannot be used as method: .*ZeroDiv"):
        Step.model_validate({"shrink": {}})


def test_two_of_one_name_are_refused_with_both_packages(add: Add) -> None:
    add("other-mvtec", READER.format(name="mvtec"), "readers", "mvtec", "READER")
    with pytest.raises(BeltlineError, match=r"two plug-ins are called 'mvtec': of Beltline, of the package other"):
        plugins("inspection.readers")


@pytest.mark.parametrize(
    ("code", "asked"), [("READERS = 1\n", r"got none; did you mean 'READERS'\?"), ("reader = 1\n", "got none; add it")]
)
def test_a_file_without_its_constant_is_not_passed_over(
    code: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = import_module("beltline.inspection.readers")
    monkeypatch.setattr(readers, "__path__", [*readers.__path__, str(tmp_path)])
    (tmp_path / "halcon.py").write_text(code)
    (tmp_path / "_parts.py").write_text("")
    plugins.cache_clear()
    try:
        with pytest.raises(BeltlineError, match=rf"halcon\.py: wanted the constant READER .*{asked}"):
            plugins("inspection.readers")
    finally:
        plugins.cache_clear()
        sys.modules.pop("beltline.inspection.readers.halcon", None)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert unknown_plugin("export.backends", "open_vino") is None
    assert "did you mean 'open_vino'?" in str(unknown_plugin("export.backends", "openvino"))
    assert "got 7" in str(unknown_plugin("export.backends", 7))
