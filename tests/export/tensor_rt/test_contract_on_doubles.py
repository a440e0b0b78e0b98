"""The contract that every backend keeps, kept by `tensor_rt` on the doubles of each TensorRT."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from beltline.export.artifacts import backends
from beltline.export.contracts import Backend
from tensor_rt_machine import VERSIONS, machine_with

NEEDS_THE_REAL_THING = ("test_a_station_needs_only_the_runtime",)


def _contract() -> Any:
    path = Path(__file__).parents[2] / "contracts" / "test_backends.py"
    spec = spec_from_file_location("contract_of_backends", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


globals().update({name: value for name, value in vars(_contract()).items() if name not in globals()})
for _name in NEEDS_THE_REAL_THING:
    del globals()[_name]


@pytest.fixture(params=VERSIONS, scope="module")
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with pytest.MonkeyPatch.context() as patch:
        machine = machine_with(request.param, tmp_path_factory.mktemp("cache"), patch)
        yield backends()["tensor_rt"]
        assert machine.cuda.left == 0, "memory, streams and graphs are given back"
