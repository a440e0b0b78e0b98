from __future__ import annotations

import os
import resource
import sqlite3
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import StorageError
from beltline.inspection.base.storage import digest_of_file
from beltline.inspection.data.entries import entry_of
from beltline.inspection.data.indexing import IndexCache, index_files, stamps_of
from numpy.typing import NDArray


def _save(path: Path, pixels: NDArray[np.generic]) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def _images(folder: Path, count: int, *, side: int = 12) -> list[Path]:
    noise = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    return [_save(folder / f"{at:04d}.png", image) for at, image in enumerate(noise)]


def test_an_entry_tells_digest_size_depth_and_colour(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 200, (9, 7), dtype=np.uint8)
    colour = np.dstack((grey, grey, 255 - grey))
    plain = entry_of(_save(tmp_path / "plain.png", np.dstack((grey, grey, grey))))
    deep = entry_of(_save(tmp_path / "deep.tiff", grey.astype(np.uint16) * 20))
    assert plain.digest == digest_of_file(tmp_path / "plain.png")
    assert (plain.height, plain.width, plain.bits, plain.colour, plain.peak) == (9, 7, 8, False, int(grey.max()))
    assert entry_of(_save(tmp_path / "colour.png", colour)).colour
    assert (deep.bits, deep.peak) == (16, int(grey.max()) * 20)
    assert len(deep.thumbnail) == 24 * 24
    assert max(deep.thumbnail) > 200


def test_the_second_run_opens_no_file(tmp_path: Path) -> None:
    files = _images(tmp_path, 300)
    cache = tmp_path / "runs" / "index.db"
    first = index_files(files, cache=cache)
    for file in files:
        status = file.stat()
        file.write_bytes(b"x" * status.st_size)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index_files(files, cache=cache).entries == first.entries


def test_a_changed_file_is_opened_again(tmp_path: Path) -> None:
    files = _images(tmp_path, 3)
    before = index_files(files, cache=tmp_path / "index.db")
    _save(files[1], np.zeros((5, 6), np.uint8))
    after = index_files(files, cache=tmp_path / "index.db")
    assert after.entries[files[0]] == before.entries[files[0]]
    assert (after.entries[files[1]].height, after.entries[files[1]].width) == (5, 6)


def test_unreadable_files_are_named_and_not_remembered(tmp_path: Path) -> None:
    files = _images(tmp_path, 3)
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:-20])
    broken = index_files([*files, tmp_path / "none.png"], cache=tmp_path / "index.db")
    assert list(broken.entries) == [files[0], files[2]]
    assert "0001.png: truncated PNG" in broken.unreadable[files[1]]
    assert "No such file" in broken.unreadable[tmp_path / "none.png"]
    files[1].write_bytes(whole)
    assert not index_files(files, cache=tmp_path / "index.db").unreadable


def test_progress_counts_every_file(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    index_files(_images(tmp_path, 300), progress=lambda done, of: steps.append((done, of)))
    assert steps == [(256, 300), (300, 300)]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one" * 100, b""])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, content: bytes) -> None:
    files = _images(tmp_path, 2)
    (tmp_path / "index.db").write_bytes(content)
    assert len(index_files(files, cache=tmp_path / "index.db").entries) == 2


def test_a_cache_of_another_version_is_made_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "index.db") as database:
        database.execute("CREATE TABLE entries (path)")
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert len(index_files(_images(tmp_path, 2), cache=tmp_path / "index.db").entries) == 2


def test_a_batch_that_does_not_fit_on_the_disk_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    files = _images(tmp_path, 40)
    entries = index_files(files).entries
    cache = IndexCache(tmp_path / "index.db")
    cache.add({files[0]: entries[files[0]]}, stamps_of(files))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "index.db").stat().st_size + 4096, hard))
    try:
        with pytest.raises(StorageError, match="free some space"):
            cache.add(entries, stamps_of(files))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    cache.close()
    again = IndexCache(tmp_path / "index.db")
    assert list(again.find(stamps_of(files))) == [files[0]]
    again.close()


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        index_files(_images(tmp_path, 1), cache=tmp_path / "file" / "index.db")


def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    pixels = np.zeros((1000, 1000), np.uint8)
    files = []
    for at in range(60):
        pixels[at, at] = 255
        files.append(_save(tmp_path / f"{at}.png", pixels))
    tracemalloc.start()
    index_files(files)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20 * pixels.nbytes
