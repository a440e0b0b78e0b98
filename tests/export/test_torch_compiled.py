from __future__ import annotations

import sysconfig
import tempfile
from pathlib import Path

import pytest
from beltline.export.artifacts import backends, runs_checkpoint
from beltline.export.backends import torch_compiled
from beltline.inspection.base.errors import StorageError


def test_a_machine_without_a_compiler_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler is not there; run: apt-get install g++" in (backends()["torch_compiled"].missing() or "")


def test_a_machine_without_headers_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "sh")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    assert "apt-get install python3-dev" in (backends()["torch_compiled"].missing() or "")


def test_only_torch_runs_the_checkpoint_behind_a_graph() -> None:
    assert {name for name in backends() if runs_checkpoint(name)} == {"torch_eager", "torch_compiled"}


def test_compiled_code_lies_where_nobody_else_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = torch_compiled._private_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert torch_compiled._private_folder() == folder
    folder.chmod(0o777)
    with pytest.raises(StorageError, match="only you can write to; remove it, or set TORCHINDUCTOR_CACHE_DIR"):
        torch_compiled._private_folder()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(StorageError, match="only you can write to"):
        torch_compiled._private_folder()
