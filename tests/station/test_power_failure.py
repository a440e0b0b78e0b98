"""Power may fail and the disk may fill up at any instruction: the old or the new version works, never neither."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VERBS = ("first", "upgrade", "again", "rollback", "prune")


def tried(fault: str, verb: str, pair: Any, folder: Path, *, step: int) -> dict[str, Any]:
    shutil.copyfile(pair.old, folder / "old.beltline")
    shutil.copyfile(pair.new, folder / "new.beltline")
    shutil.copyfile(pair.public, folder / "key.pub.pem")
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / ".dev"), "OPENBLAS_NUM_THREADS": "1"}
    argv = [sys.executable, str(HERE / "faulty_disk.py"), fault, verb, str(folder), str(step)]
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    assert answer.returncode == 0, answer.stderr
    result: dict[str, Any] = json.loads(answer.stdout)
    assert result["wrong"] == [], answer.stderr
    return result


@pytest.mark.parametrize("verb", ["upgrade", "rollback"])
@pytest.mark.parametrize("fault", ["kill", "power"])
def test_some_moments(fault: str, verb: str, pair: Any, tmp_path: Path) -> None:
    result = tried(fault, verb, pair, tmp_path, step=29)
    assert result["moments"] >= 1


def test_a_full_disk_at_some_moments(pair: Any, tmp_path: Path) -> None:
    assert tried("full", "upgrade", pair, tmp_path, step=13)["moments"] >= 3


@pytest.mark.slow
def test_every_moment(pair: Any, tmp_path: Path) -> None:
    """At least 500 moments, with the old version at work after some and the new one after others."""
    results = []
    for fault in ("kill", "power", "full"):
        for verb in VERBS:
            (folder := tmp_path / f"{fault}-{verb}").mkdir()
            results.append(tried(fault, verb, pair, folder, step=1))
            print(results[-1])
    cut = [result for result in results if result["fault"] != "full"]
    assert sum(result["moments"] for result in cut) >= 500
    upgrades = [result["worked"] for result in cut if result["verb"] == "upgrade"]
    assert all(set(worked) == {pair.old_version, pair.new_version} for worked in upgrades)
