from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.files import folders_in, images_in, locate, named_in
from hypothesis import given
from hypothesis import strategies as st


def test_images_are_listed_by_suffix_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", "._a.jpg", ".x.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in images_in(tmp_path)] == ["a.jpg", "b.PNG"]
    assert [path.name for path in folders_in(tmp_path)] == ["folder.png"]
    assert images_in(tmp_path / "none") == []
    assert named_in(tmp_path, "b") == tmp_path / "b.PNG"
    assert named_in(tmp_path, "c") is None


@pytest.mark.parametrize(
    "path", ["../x.png", "a/../../x.png", "a/../b.png", "/etc/passwd", "", ".", "a\\b.png", "a\0b"]
)
def test_paths_that_leave_the_root_or_are_none_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError):
        locate(tmp_path.resolve(), [path])


def test_links_may_stay_inside_the_root_but_not_leave_it(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "root"
    (root / "real").mkdir(parents=True)
    (root / "real" / "a.png").touch()
    (tmp_path / "secret.png").touch()
    (root / "inside.png").symlink_to(root / "real" / "a.png")
    (root / "outside.png").symlink_to(tmp_path / "secret.png")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop.png").symlink_to(root / "loop.png")
    assert locate(root, ["inside.png"]) == {"inside.png": root / "real" / "a.png"}
    for path in ("outside.png", "folder/secret.png"):
        with pytest.raises(DataError, match="leaves the data folder"):
            locate(root, [path])


@given(path=st.text(max_size=40))
def test_any_text_is_a_file_inside_the_root_or_a_data_error(path: str) -> None:
    root = Path("/nowhere/root")
    try:
        found = locate(root, [path])
    except DataError:
        return
    assert found[path].is_relative_to(root)
