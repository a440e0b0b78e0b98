from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def kernel_tree(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Give a function that writes files as they lie under /proc and /sys, and tells their root."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write
