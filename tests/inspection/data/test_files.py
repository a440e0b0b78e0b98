from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.files import as_stored, folders_in, images_below, images_in, locate, masks_by_stem
from hypothesis import given
from hypothesis import strategies as st


def test_images_are_listed_by_suffix_and_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", "._a.jpg", ".x.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in images_in(tmp_path)] == ["a.jpg", "b.PNG"]
    assert [path.name for path in folders_in(tmp_path)] == ["folder.png"]
    assert images_in(tmp_path / "none") == []


def test_masks_are_found_by_the_stem_of_their_image(tmp_path: Path) -> None:
    for name in ("a_GT.PNG", "b-mask.bmp", "c_label.png", "d.SEG.tif", "e.png", "e_mask.png", "Ü_mask.png".lower()):
        (tmp_path / name).touch()
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "000.png").touch()
    (tmp_path / "empty").mkdir()
    found = {stem: path.name for stem, path in masks_by_stem(tmp_path).items()}
    assert [found[stem] for stem in "abcdef"] == [
        "a_GT.PNG", "b-mask.bmp", "c_label.png", "d.SEG.tif", "e_mask.png", "f",
    ]  # fmt: skip
    assert "ü" in found
    assert "empty" not in found


def test_folders_below_are_listed_and_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "2024-05-01" / "night").mkdir(parents=True)
    for name in ("a.png", "2024-05-01/b.webp", "2024-05-01/night/c.pgm"):
        (tmp_path / name).touch()
    (tmp_path / "2024-05-01" / "again").symlink_to(tmp_path)
    assert [path.name for path in images_below(tmp_path)] == ["b.webp", "c.pgm", "a.png"]


def test_names_in_another_unicode_form_are_found_as_they_are_stored(tmp_path: Path) -> None:
    composed, decomposed = "g\u00fct/\u00e9.png", "gu\u0308t/e\u0301.png"
    (tmp_path / "gu\u0308t").mkdir()
    (tmp_path / decomposed).touch()
    assert as_stored(tmp_path, [composed, decomposed, "a.png", "g\u00fct/x.png"]) == {composed: decomposed}


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
    assert locate(root, ["outside.png"], follow_links=True) == {"outside.png": tmp_path.resolve() / "secret.png"}
    with pytest.raises(DataError, match="leaves the data folder"):
        locate(root, ["../secret.png"], follow_links=True)


@given(path=st.text(max_size=40))
def test_any_text_is_a_file_inside_the_root_or_a_data_error(path: str) -> None:
    root = Path("/nowhere/root")
    try:
        found = locate(root, [path])
    except DataError:
        return
    assert found[path].is_relative_to(root)
