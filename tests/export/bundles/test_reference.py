"""The reference travels in a bundle: small, checked as everything else, and a bundle without one stays what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.golden import Reference, reference_of
from beltline.export.bundles.manifest import REFERENCE, canonical, read_part
from beltline.export.bundles.reading import open_bundle
from beltline.export.bundles.writing import write_bundle
from beltline.inspection.base.errors import BundleError
from beltline.inspection.data.appearance import APPEARANCE, appearance_of


@pytest.fixture
def reference(frames: list[Any]) -> Reference:
    scores = [place / 12 for place in reversed(range(12))]
    return reference_of({"onnx_runtime": scores}, [appearance_of(frame) for frame in frames], drawn_from="a test")


def test_it_comes_back_as_it_was_written(bundle: Any, reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "with.beltline"
    write_bundle(path, replace(bundle.parts, reference=reference), key=bundle.key)
    with open_bundle(path, key=bundle.public) as opened:
        unpacked = opened.unpack(tmp_path)
    assert unpacked.reference() == reference
    samples = reference.samples("onnx_runtime")
    assert list(samples) == ["score", *APPEARANCE]
    assert samples["score"][:2] == (0.0, round(1 / 12, 6))
    assert all(len(row) == 12 for row in samples.values())


def test_the_same_frames_give_the_same_bytes(bundle: Any, reference: Reference, tmp_path: Path) -> None:
    parts = replace(bundle.parts, reference=reference)
    for name in ("a", "b"):
        write_bundle(tmp_path / name, parts, key=bundle.key)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_older_bundles_have_none(bundle: Any, tmp_path: Path) -> None:
    with open_bundle(bundle.path) as opened:
        assert opened.unpack(tmp_path).reference() is None


def test_a_backend_that_was_not_scored_is_watched_by_its_looks_alone(reference: Reference) -> None:
    assert list(reference.samples("open_vino")) == list(APPEARANCE)


def test_samples_out_of_order_are_refused(reference: Reference) -> None:
    raw = canonical(reference.model_copy(update={"scores": {"onnx_runtime": (0.5, 0.1)}}))
    with pytest.raises(BundleError, match="ascending"):
        read_part(raw, Reference, name=REFERENCE)
