"""Every command in the README and the pages under docs is one that the program has; those marked runnable are run."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer
from beltline.inspection.data.dataset import SPLITS
from beltline.inspection.data.loading import load_dataset
from beltline.pipeline.cli.app import app
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.line.plan import plan

SOURCE = Path(__file__).parents[2]
README = SOURCE / "README.md"
PAGES = (README, SOURCE / "CONTRIBUTING.md", *sorted((SOURCE / "docs").rglob("*.md")))
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
                arguments = shlex.split(part.split(" >")[0], comments=True)
                if arguments and arguments[0].endswith("beltline"):
                    found.append(arguments[1:])
    return found


def parse(arguments: list[str]) -> None:
    """Parse a command down to its last option, running nothing.

    Raises:
        Exception: The program has no such verb, option or argument.
    """
    group = typer.main.get_command(app)
    with group.make_context("beltline", list(arguments), resilient_parsing=False) as context:
        rest = [*context._protected_args, *context.args]
        name, verb, arguments = group.resolve_command(context, rest)  # type: ignore[attr-defined]
        with verb.make_context(name, arguments, parent=context) as within:
            if below := [*within._protected_args, *within.args]:
                name, verb, arguments = verb.resolve_command(within, below)
                verb.make_context(name, arguments, parent=within)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_parses(page: Path) -> None:
    for arguments in commands(page.read_text(encoding="utf-8")):
        parse(arguments)


def test_every_module_that_is_run_by_its_name_is_there() -> None:
    folders = [each for each in SOURCE.iterdir() if each.is_dir() and not each.name.startswith(".")]
    files = [file for each in folders for kind in ("py", "md", "yaml") for file in each.rglob(f"*.{kind}")]
    pattern = re.compile(r'(?:python -m |"-m", ")(beltline(?:\.\w+)+)')
    named = {name for file in (*PAGES, *files) for name in pattern.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 20
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


def headings(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as Markdown viewers make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in found}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
        for file, anchor in links:
            target = page.parent / file if file else page
            assert target.exists(), (page, file)
            assert not anchor or anchor in headings(target), (page, file, anchor)


@pytest.mark.parametrize("arguments", [["pln"], ["plan", "--jsn"], ["run", "a", "b"]])
def test_a_command_that_does_not_exist_would_be_found(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|unexpected|Got"):
        parse(arguments)


def test_the_tests_examples_are_read_as_written() -> None:
    text = "```bash\nbeltline run a.yaml --quick  # go\ncd x && beltline plan\n```\n"
    text += f"{RUNNABLE}\n```bash\nbeltline \\\n doctor\n```\n"
    assert commands(text) == [["run", "a.yaml", "--quick"], ["plan"], ["doctor"]]
    assert [runnable for runnable, _ in fences(text)] == [False, True]


def test_the_runnable_commands_run(tmp_path: Path) -> None:
    bodies = [body for page in PAGES for runnable, body in fences(page.read_text(encoding="utf-8")) if runnable]
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


def test_the_readme_says_how_to_run_the_tests() -> None:
    text = README.read_text(encoding="utf-8")
    assert re.search(r"^<!-- tests -->\n+```bash\n.*?pytest.*?^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("verb", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_the_example_in_each_verbs_help_parses(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    parse(shlex.split(command.epilog.removeprefix("Example: "))[1:])


def own_parts(folder: Path) -> Path:
    """Make what the README's worked example tells the reader to make: an MVTec-like tree, and line.yaml beside it."""
    from beltline.inspection.synthetic.dataset import write_synthetic_line

    write_synthetic_line(folder / "drawn", seed=9, parts=90, exposures=1)
    with (folder / "drawn" / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows):
        half = "train" if row["label"] == "good" and row["split"] == "train" else "test"
        place = folder / "parts" / half / row["label"] / f"{number:04}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "drawn" / row["path"], place)
        if row["mask"]:
            mask = folder / "parts" / "ground_truth" / row["label"] / f"{number:04}_mask.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / "drawn" / row["mask"], mask)
    text = re.search(r"^ *```yaml\n(.*?)^ *```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert text is not None
    path = folder / "line.yaml"
    path.write_text(textwrap.dedent(text[1]))
    return path


def test_the_worked_example_can_be_planned_and_its_data_read(tmp_path: Path) -> None:
    line_file = load_line_file(own_parts(tmp_path))
    assert plan(line_file)["budget"]["deadline_ms"] == 86
    dataset = load_dataset(line_file.data)
    assert all({sample.defective for sample in dataset.of(split)} == {True, False} for split in SPLITS)


@pytest.mark.slow
def test_the_worked_example_runs(tmp_path: Path) -> None:
    """`beltline run line.yaml --quick`, as the README says, on an MVTec-like tree."""
    path = own_parts(tmp_path)
    argv = [sys.executable, "-m", "beltline.pipeline", "run", str(path), "--quick", "--runs", str(tmp_path / "runs")]
    answer = subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}, check=False
    )
    assert answer.returncode in (0, 3, 4), answer.stderr
    assert (tmp_path / "runs" / f"{tmp_path.name}-quick" / "report.html").is_file()
