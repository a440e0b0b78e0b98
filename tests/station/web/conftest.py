"""One station that most tests ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("aiohttp")

from web_station import Running, station


@pytest.fixture(scope="session")
def running(bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Started once for all of them."""
    ring = {"folder": str(tmp_path_factory.mktemp("ring")), "keep_free_mb": 0}
    with station(
        bundle, ring=ring, results=[{"json_lines": {"path": str(tmp_path_factory.mktemp("out") / "r.jsonl")}}]
    ) as made:
        yield made
