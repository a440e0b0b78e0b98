"""Which of a bundle's models runs here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.manifest import Manifest
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import MissingPartError, StationError
from beltline.station.versions.at_work import BundleStore, model_to_run
from stationing import settings_of


@pytest.fixture
def manifest(bundle: Any, tmp_path: Path) -> Manifest:
    return write_bundle(tmp_path / "a.beltline", bundle.parts, key=None)


def test_the_first_whose_runtime_is_here_or_the_row_that_is_wanted(manifest: Manifest) -> None:
    here = manifest.models[0]
    absent = here.model_copy(update={"row": "other", "backend": "abacus"})
    both = manifest.model_copy(update={"models": (absent, here)})
    assert model_to_run(both, row=None) is here
    assert model_to_run(both, row="tiny") is here
    with pytest.raises(MissingPartError, match="no backend abacus"):
        model_to_run(both, row="other")
    with pytest.raises(StationError, match=r"wanted a row of .* \(other, tiny\), got 'tny'"):
        model_to_run(both, row="tny")


def test_a_bundle_file_is_unpacked_for_the_time_being(bundle: Any) -> None:
    store = BundleStore(settings_of(bundle=bundle.path, deadline_ms=12.5))
    (candidate,) = store.candidates()
    at_work = candidate()
    folder = at_work.unpacked.folder
    assert (at_work.generation, at_work.deadline_ns, folder.is_dir()) == (None, 12_500_000, True)
    assert store.current() is None
    store.close()
    assert not folder.exists()


def test_without_a_deadline_of_its_own_the_bundle_s_holds(bundle: Any) -> None:
    store = BundleStore(settings_of(bundle=bundle.path, deadline_ms=None))
    assert store.candidates()[0]().deadline_ns == replace(bundle.parts).budget.deadline_ms * 1e6
    store.close()
