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


def scored(fault: str, verb: str, pair: Any, folder: Path, *, step: int) -> dict[str, Any]:
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


@pytest.mark.parametrize(("fault", "step"), [("power", 37), ("full", 23)])
def test_some_moments_of_an_upgrade(fault: str, step: int, pair: Any, tmp_path: Path) -> None:
    """A few of those that the slow test tries; another one leaves out none."""
    assert scored(fault, "upgrade", pair, tmp_path, step=step)["moments"] >= 3


@pytest.mark.parametrize("verb", ["first", "upgrade", "rollback"])
def test_nothing_is_switched_to_that_is_not_on_the_disk(verb: str, pair: Any, tmp_path: Path) -> None:
    scored("none", verb, pair, tmp_path, step=1)


@pytest.mark.slow
def test_every_moment(pair: Any, tmp_path: Path) -> None:
    """At least 500 moments, with the old version at work after some and the new one after others."""
    results = []
    for fault in ("kill", "power", "full"):
        for verb in VERBS:
            (folder := tmp_path / f"{fault}-{verb}").mkdir()
            results.append(scored(fault, verb, pair, folder, step=1))
            sys.stdout.write(f"{results[-1]}\n")
    cut = [result for result in results if result["fault"] != "full"]
    assert sum(result["moments"] for result in cut) >= 500
    upgrades = [result["worked"] for result in cut if result["verb"] == "upgrade"]
    assert all(set(worked) == {pair.old_version, pair.new_version} for worked in upgrades)
