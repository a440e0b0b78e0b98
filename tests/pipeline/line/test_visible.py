from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import CameraSettings, Tiles
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.line.line import Line
from beltline.inspection.synthetic.camera import Camera, write_camera_line
from beltline.pipeline.line.line_file import LineFile
from beltline.pipeline.line.plan import plan, plan_text
from beltline.pipeline.line.visible import visible

LINE = Line(belt_speed_mm_s=500, part_pitch_mm=120, camera_to_ejector_mm=100)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of 640 x 512 pixels with defects of 4 to 20."""
    folder = tmp_path_factory.mktemp("camera")
    write_camera_line(folder, Camera(width=640, height=512), parts=60, defect_px=(4, 20))
    return folder


def asked(root: Path, input_size: tuple[int, int] | None = None, tiles: Tiles | None = None) -> LineFile:
    camera = CameraSettings(tiles=tiles)
    teacher = {} if input_size is None else {"input_size": input_size}
    return LineFile.model_validate(
        {"line": LINE, "data": DataSettings(root=root), "camera": camera, "teacher": teacher}
    )


def test_shrinking_hides_what_is_smaller_than_a_cell_and_the_plan_says_what_would_not(root: Path) -> None:
    shrunk = asked(root, (128, 160))
    dataset = load_dataset(shrunk.data)
    facts = visible(shrunk, dataset)
    assert facts is not None
    assert facts["scale"] == 0.25
    assert 0.5 < facts["hidden"] < 1
    assert 4 <= facts["longest_px"][0] <= facts["longest_px"][1] <= facts["longest_px"][2] <= 26
    assert "write teacher.input_size: [" in facts["advice"]
    assert "camera.tiles: {size: 512, overlap: 64, scale:" in facts["advice"]
    text = plan_text(plan(shrunk, dataset))
    assert "what the network sees: frames shrunk to 160 x 128, 0.25 network pixels for one of the camera" in text
    assert "are smaller than a heatmap cell of 4 network pixels" in text


def test_tiles_at_the_cameras_own_scale_hide_little(root: Path) -> None:
    tiled = asked(root, tiles=Tiles(size=256, overlap=32))
    dataset = load_dataset(tiled.data, camera=tiled.camera)
    facts = visible(tiled, dataset)
    assert facts is not None
    assert (facts["scale"], facts["tiles"], facts["input"]) == (1.0, 3 * 3, [256, 256])
    assert facts["hidden"] <= 0.05
    assert facts["advice"] == ""
    assert "9 tiles of 256 x 256" in plan_text(plan(tiled, dataset))


def test_tiles_that_do_not_fit_are_refused_before_anything_is_trained(root: Path) -> None:
    tiled = asked(root, tiles=Tiles(size=1024, overlap=0))
    dataset = load_dataset(tiled.data, camera=tiled.camera)
    with pytest.raises(DataError, match=r"camera.tiles: wanted tiles inside frames/.*, 640 x 512 .* got 1024 x 1024"):
        visible(tiled, dataset)
