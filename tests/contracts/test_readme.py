"""Every command in the README is one that the program has; those marked runnable are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from beltline.pipeline.cli.app import app

SOURCE = Path(__file__).parents[2]
README = SOURCE / "README.md"
RUNNABLE = "<!-- runnable -->"
"""Stands on a line of its own before a fence whose commands need nothing but the source folder."""


def fences(text: str) -> list[tuple[bool, str]]:
    """Give each bash fence: whether it is marked runnable, and its text with continued lines joined."""
    pattern = re.compile(rf"^({re.escape(RUNNABLE)}\n+)?```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(mark != "", body.replace("\\\n", " ")) for mark, body in pattern.findall(text)]


def commands(text: str) -> list[list[str]]:
    """Give the words of each command that calls beltline, also behind `&&`, without comments and redirections."""
    found = []
    for _, body in fences(text):
        for line in body.splitlines():
            for part in re.split(r"&&|\|\||[|;]", line):
                words = shlex.split(part.split(" >")[0], comments=True)
                if words and words[0].endswith("beltline"):
                    found.append(words[1:])
    return found


def parse(words: list[str]) -> None:
    """Parse a command down to its last option, running nothing.

    Raises:
        Exception: The program has no such verb, option or argument.
    """
    group = typer.main.get_command(app)
    with group.make_context("beltline", list(words), resilient_parsing=False) as context:
        rest = [*context._protected_args, *context.args]
        name, verb, arguments = group.resolve_command(context, rest)  # type: ignore[attr-defined]
        verb.make_context(name, arguments, parent=context)


@pytest.mark.skipif(not README.exists(), reason="no README yet")
def test_every_command_in_the_readme_parses() -> None:
    found = commands(README.read_text(encoding="utf-8"))
    assert found
    for words in found:
        parse(words)


@pytest.mark.parametrize("words", [["pln"], ["plan", "--jsn"], ["run", "a", "b"]])
def test_a_command_that_does_not_exist_would_be_found(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|unexpected|Got"):
        parse(words)


def test_the_tests_examples_are_read_as_written() -> None:
    text = "```bash\nbeltline run a.yaml --quick  # go\ncd x && beltline plan\n```\n"
    text += f"{RUNNABLE}\n```bash\nbeltline \\\n doctor\n```\n"
    assert commands(text) == [["run", "a.yaml", "--quick"], ["plan"], ["doctor"]]
    assert [runnable for runnable, _ in fences(text)] == [False, True]


@pytest.mark.skipif(not README.exists(), reason="no README yet")
def test_the_runnable_commands_run(tmp_path: Path) -> None:
    bodies = [body for runnable, body in fences(README.read_text(encoding="utf-8")) if runnable]
    program = tmp_path / "bin" / "beltline"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m beltline.pipeline "$@"\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(SOURCE / ".dev")}
    for body in bodies:
        argv = ["bash", "-euo", "pipefail", "-c", body]
        answer = subprocess.run(
            argv, capture_output=True, text=True, cwd=SOURCE, env=environment, check=False, timeout=300
        )
        assert answer.returncode == 0, f"{body}\n{answer.stderr}"


@pytest.mark.skipif(not README.exists(), reason="no README yet")
def test_the_readme_says_how_to_run_the_tests() -> None:
    text = README.read_text(encoding="utf-8")
    assert re.search(r"^<!-- tests -->\n+```bash\n.*?pytest.*?^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("verb", ["run", "train", "compress", "export", "bench", "report", "plan", "doctor", "devices"])
def test_the_example_in_each_verbs_help_parses(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    parse(shlex.split(command.epilog.removeprefix("Example: "))[1:])
