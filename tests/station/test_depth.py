"""Photographs of 16 bits become 8 on the station as they did when the model was trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.bundles.manifest import DepthFacts, canonical
from beltline.export.bundles.writing import write_bundle
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import StationError
from beltline.station.engines.supervisor import EngineSupervisor
from beltline.station.outcomes import Seen
from beltline.station.service import Service
from beltline.station.serving import serve
from beltline.station.versions.at_work import BundleStore, pixels_of
from numpy.typing import NDArray
from pydantic import ValidationError
from stationing import running, settings_of

BLACK, STEP = 100, 12
WINDOW = (BLACK, BLACK + 255 * STEP)


def in_window(frame: Frame) -> NDArray[np.uint16]:
    return (BLACK + frame.astype(np.uint16) * STEP).astype(np.uint16)


def in_twelve_bits(frame: Frame) -> NDArray[np.uint16]:
    return frame.astype(np.uint16) << 4


@pytest.mark.parametrize(
    ("depth", "written"),
    [
        (DepthFacts(bit_depth=12, window=None), in_twelve_bits),
        (DepthFacts(bit_depth=16, window=WINDOW), in_window),
    ],
)
def test_the_station_decides_on_files_of_16_bits_as_the_bundle_says(
    depth: DepthFacts, written: Callable[[Frame], NDArray[np.uint16]], bundle: Any, frames: list[Frame], tmp_path: Path
) -> None:
    write_bundle(tmp_path / "deep.beltline", replace(bundle.parts, depth=depth), key=bundle.key)
    (pictures := tmp_path / "pictures").mkdir()
    for at, frame in enumerate(frames):
        cv2.imwrite(str(pictures / f"{at:03}.png"), written(frame))
    seen: list[Seen] = []

    def on_start(service: Service) -> None:
        service.subscribe("test", seen.append)

    sources = [{"replay": {"path": pictures, "period_ms": 1, "frames": len(frames)}}]
    serve(
        settings_of(bundle=tmp_path / "deep.beltline", sources=sources, queue={"frames": 64}), print, on_start=on_start
    )
    scores = {each.outcome.name: each.outcome.score for each in seen}
    golden = bundle.parts.golden.scores["onnx_runtime"]
    assert [scores[f"{at:03}.png"] for at in range(len(frames))] == pytest.approx(list(golden), abs=1e-6)


def test_a_bundle_of_other_levels_is_not_loaded_beside_the_one_at_work(bundle: Any, tmp_path: Path) -> None:
    deep = replace(bundle.parts, depth=DepthFacts(bit_depth=12, window=None))
    write_bundle(tmp_path / "deep.beltline", deep, key=bundle.key)
    store = BundleStore(settings_of(bundle=tmp_path / "deep.beltline"))
    (other,) = store.candidates()
    with closing(store), running(settings_of(bundle=bundle.path)) as service:
        assert pixels_of(service.at_work).bit_depth == 8
        supervisor: EngineSupervisor = service._supervisor
        with pytest.raises(StationError, match=r"bit_depth=12.*restart the station"):
            supervisor._beside(other(), service.at_work)


def test_a_bundle_of_8_bits_is_written_as_before_and_a_window_has_two_ends(bundle: Any, tmp_path: Path) -> None:
    manifest = write_bundle(tmp_path / "a.beltline", bundle.parts, key=bundle.key)
    assert b'"depth"' not in canonical(manifest)
    with pytest.raises(ValidationError, match="black below white"):
        DepthFacts(bit_depth=16, window=(5, 5))
