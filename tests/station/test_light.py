"""The device side needs no more than numpy, a runtime, and what reads a manifest and checks a signature."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2]
NOT_THERE = ("torch", "onnx", "openvino", "scipy", "cv2", "jinja2", "psutil", "yaml", "rich", "packaging")
PROGRAM = f"""
import json, sys
sys.modules |= dict.fromkeys({NOT_THERE!r})
from beltline.pipeline.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["beltline", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
"""


def test_verify_install_status_and_rollback_run_without_the_rest(pair: Any, tmp_path: Path) -> None:
    root = ["--root", str(tmp_path / "root")]
    verbs = [
        ["verify", str(pair.old)],
        ["install", str(pair.old), "--key", str(pair.public), *root],
        ["install", str(pair.new), *root],
        ["status", *root],
        ["rollback", *root],
    ]
    argv = [sys.executable, "-c", PROGRAM, json.dumps(verbs)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.rstrip().endswith(f"is {pair.old_version}")
