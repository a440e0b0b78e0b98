from __future__ import annotations

import fcntl
import gc
import os
import tempfile
from pathlib import Path

import pytest
from beltline.benchmarks.timing.process import alone, pin, require_parent, undisturbed
from beltline.inspection.base.errors import MeasurementError


@pytest.fixture
def lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the lock apart from that of real measurements."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"beltline-{os.getuid()}.measuring.lock"


def _is_held(path: Path) -> bool:
    with path.open() as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _unexpected() -> None:
    pytest.fail("nobody else measures here")


def test_the_lock_is_held_for_the_block_and_freed_even_after_an_error(lock_file: Path) -> None:
    held: list[bool] = []
    with pytest.raises(ZeroDivisionError), alone(_unexpected):
        held.append(_is_held(lock_file) and 1 // 0 == 0)
    assert not held
    with alone(_unexpected):
        held.append(_is_held(lock_file))
    assert held == [True]
    assert not _is_held(lock_file)


def test_a_held_lock_is_told_once_and_waited_for(lock_file: Path) -> None:
    other = lock_file.open("w")
    fcntl.flock(other, fcntl.LOCK_EX)
    notified: list[bool] = []

    def on_wait() -> None:
        notified.append(True)
        other.close()

    with alone(on_wait):
        assert _is_held(lock_file)
    assert notified == [True]


def test_a_link_in_the_place_of_the_lock_is_not_followed(lock_file: Path, tmp_path: Path) -> None:
    lock_file.symlink_to(tmp_path / "somebody's file")
    with pytest.raises(OSError, match="symbolic link"), alone(_unexpected):
        pass
    assert not (tmp_path / "somebody's file").exists()


def test_pinning_holds_and_a_cpu_that_is_not_there_is_named() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        pin((min(allowed),))
        assert os.sched_getaffinity(0) == {min(allowed)}
        with pytest.raises(MeasurementError, match=r"cannot pin to CPUs \[1000\].* may use \["):
            pin((1000,))
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_collector_rests_and_comes_back() -> None:
    with undisturbed():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_measurement_that_nobody_waits_for_ends() -> None:
    require_parent(os.getppid())
    with pytest.raises(MeasurementError, match="is gone; stopped"):
        require_parent(-1)
