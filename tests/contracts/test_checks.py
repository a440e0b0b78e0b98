"""What is checked before a commit is what continuous integration checks."""

from __future__ import annotations

from pathlib import Path

import yaml

SOURCE = Path(__file__).parents[2]


def test_pre_commit_holds_the_lint_step_of_ci() -> None:
    hooks = yaml.safe_load((SOURCE / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    script = (SOURCE / ".ci" / "run").read_text("utf-8").splitlines()
    for hook in hooks:
        assert any(line.startswith(hook["entry"]) for line in script), hook["entry"]


def test_ci_is_strict_and_executable() -> None:
    script = SOURCE / ".ci" / "run"
    assert "set -euo pipefail" in script.read_text("utf-8")
    assert script.stat().st_mode & 0o111
