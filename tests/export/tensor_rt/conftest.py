from __future__ import annotations

from pathlib import Path

import pytest
from tensor_rt_machine import VERSIONS, Machine, machine_with


@pytest.fixture(params=VERSIONS)
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return machine_with(request.param, tmp_path / "cache", monkeypatch)
