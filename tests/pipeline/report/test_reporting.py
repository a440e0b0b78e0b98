from __future__ import annotations

import json

from beltline.pipeline.report.reporting import device_facts
from beltline.pipeline.stages.measure import Device
from beltline.targets.fingerprint import fingerprint
from beltline.targets.profile import target_of
from beltline.targets.settings import LOCAL

HERE = Device(settings=LOCAL[0], target=target_of("local", threads=1), facts={}, missing={})


def test_this_machine_is_described_in_json() -> None:
    facts = device_facts(HERE, fingerprint()).model_dump(mode="json")
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["name"], facts["threads"]) == ("local", 1)
    assert facts["hypervisor"] in {True, False}


def test_what_decides_its_speed_is_told_and_what_it_does_not_say_is_left_out() -> None:
    notified = {
        "power_mode": "15W (0)",
        "turbo": False,
        "cpu_quota": 1.5,
        "governor": None,
        "conditions": {"load_1min": 1},
    }
    facts = device_facts(HERE, {"cpu": "Cortex", **notified}).model_dump(mode="json")
    assert (facts["power_mode"], facts["turbo"], facts["cpu_quota"]) == ("15W (0)", False, 1.5)
    assert "governor" not in facts
    assert "conditions" not in facts
