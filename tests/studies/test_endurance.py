"""The endurance run itself: short, with faults, on the tiny bundle; and its counting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.station.counters import Counters
from beltline.studies.endurance.__main__ import facts_of, plc_facts
from beltline.studies.endurance.audit import belt_facts
from beltline.studies.station.coil_server import NOTE

SOURCE = Path(__file__).parents[2]


def test_a_frame_that_was_never_answered_or_twice_is_found() -> None:
    assert belt_facts(np.array([3, 1])) == {"frames": 3, "answered_once": 2, "twice": 0, "never": 1}
    seen = {"standings": {"answered": 4}, "belt": belt_facts(np.array([1, 2, 2, 4]))}
    facts = facts_of(Counters().snapshot(), seen)
    assert facts["lost"] == 1
    assert any("from outside" in each for each in facts["wrong"])
    assert any("answered twice" in each for each in facts["wrong"])


def test_what_the_plc_noted_is_counted(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"".join(NOTE.pack(number, 0, 0) for number in (1, 2, 2, 5, 4)) + b"half")
    assert plc_facts(tmp_path / "notes") == {"outcomes": 4, "twice": 1, "out_of_order": 1}
    assert plc_facts(tmp_path / "none") == {"outcomes": 0, "twice": 0, "out_of_order": 0}


@pytest.mark.slow
def test_two_minutes_with_every_fault_that_is_possible_here(bundle: Any) -> None:
    argv = [sys.executable, "-m", "beltline.studies.endurance", str(bundle.path), "--minutes", "2", "--pause-s", "2"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=500)
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert facts["wrong"] == []
    for belt in facts["belts"].values():
        assert (belt["lost"], belt["wrong"]) == (0, [])
        assert belt["counted"]["offered"] == belt["outcomes"] > 1000
        assert belt["restarts"]["engine"] >= 1
    assert facts["clients"]["good 200"] > 1
    assert facts["plc"] is None or facts["plc"]["outcomes"] > 1000
