"""A small drawn line, written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.synthetic.dataset import write_synthetic_line


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    write_synthetic_line(folder / "data", seed=4, parts=60, exposures=1)
    return folder
