from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.synthetic.dataset import write_synthetic_line


@pytest.fixture(scope="session")
def line_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A small synthetic line: every kind of defect in every split."""
    root = tmp_path_factory.mktemp("line")
    write_synthetic_line(root, seed=3, parts=60, exposures=2)
    return load_dataset(DataSettings(root=Path(root), reader="labels_csv"))
