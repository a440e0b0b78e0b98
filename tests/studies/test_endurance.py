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
from beltline.studies.endurance.__main__ import facts_of
from beltline.studies.endurance.audit import belt_facts

SOURCE = Path(__file__).parents[2]


def test_a_frame_that_was_never_answered_or_twice_is_found() -> None:
    assert belt_facts(np.array([3, 1])) == {"frames": 3, "answered_once": 2, "twice": 0, "never": 1}
    seen = {"standings": {"answered": 4}, "belt": belt_facts(np.array([1, 2, 2, 4]))}
    facts = facts_of(Counters().snapshot(), seen, {}, {})
    assert facts["lost"] == 1
    assert any("from outside" in each for each in facts["wrong"])
    assert any("answered twice" in each for each in facts["wrong"])


@pytest.mark.slow
def test_a_minute_with_every_fault_that_is_possible_here(bundle: Any) -> None:
    argv = [sys.executable, "-m", "beltline.studies.endurance", str(bundle.path), "--minutes", "1.5", "--pause-s", "2"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=400)
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert (facts["lost"], facts["wrong"]) == (0, [])
    assert facts["counted"]["offered"] == facts["outcomes"] > 1000
    assert facts["restarts"]["engine"] >= 1
