"""Two bundles to go between: the same model, told apart by their reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.writing import write_bundle
from beltline.station.versions.activation import Places
from beltline.station.versions.installing import InstallOptions, install


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two signed bundles and the names of their versions."""

    old: Path
    new: Path
    old_version: str
    new_version: str
    public: Path


@pytest.fixture(scope="session")
def pair(bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    parts = replace(bundle.parts, packed=True)
    old = write_bundle(folder / "old.beltline", parts, key=bundle.key)
    new = write_bundle(folder / "new.beltline", replace(parts, report=b'{"newer": true}\n'), key=bundle.key)
    return Pair(
        old=folder / "old.beltline",
        new=folder / "new.beltline",
        old_version=old.version,
        new_version=new.version,
        public=bundle.public,
    )


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(root=tmp_path / "root")


@pytest.fixture
def both(pair: Pair, places: Places) -> Places:
    """The old version was installed, then the new one."""
    for path in (pair.old, pair.new):
        install(path, places, InstallOptions(key=pair.public))
    return places
