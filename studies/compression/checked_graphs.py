"""Which rules of `beltline check` fire on whose files? `python -m beltline.studies.compression.checked_graphs`.

Files of other tools are made on the spot, as their documentation says (`producers`); more can be named.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...export.device_check.check import Checked, check_file
from ...export.device_check.device_runtime import RUNTIMES
from .producers import Workshop, producers, silence

_RUNTIME = RUNTIMES["jetpack6.2"]


def study(also: Sequence[Path] = (), *, only: Sequence[str] | None = None) -> Iterator[tuple[str, Checked | str]]:
    """Make and check every file.

    Args:
        also: Files to check besides.
        only: Names of producers; None: all.

    Yields:
        Who made the file, and what the check says of it, or why it could not be made.
    """
    os.environ.setdefault("NNCF_CI", "1")  # NNCF reports its use over the network unless this is set
    with tempfile.TemporaryDirectory(prefix="beltline-checked-") as folder:
        shop = Workshop(Path(folder))
        for name, make in producers().items():
            if only is not None and name not in only:
                continue
            try:
                with silence():
                    path = make(shop)
            except Exception as error:  # noqa: BLE001 - other people's tools raise what they like; the row says it
                yield name, f"not made: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
                continue
            yield name, check_file(path, _RUNTIME)
    for path in also:
        yield str(path), check_file(path, _RUNTIME)


def line(name: str, checked: Checked | str) -> str:
    """Give one row of the table."""
    if isinstance(checked, str):
        return f"| {name} | {checked} | | | | |"
    kinds = ", ".join(f"{kind} {count}" for kind, count in checked.weight_types.items())
    taken = [name.removeprefix("jetpack") for name, takes in checked.taken_by.items() if takes]
    refused, warned = (_rules(checked, level) for level in ("refused", "warning"))
    return f"| {name} | {checked.opset} | {kinds} | {', '.join(taken) or 'none'} | {refused} | {warned} |"


def _rules(checked: Checked, level: str) -> str:
    counts = Counter(finding.rule for finding in checked.findings if finding.level == level)
    return ", ".join(f"{rule} x {count}" if count > 1 else rule for rule, count in sorted(counts.items()))


def main(argv: Sequence[str]) -> int:
    """Print the table; `--json` prints one object instead."""
    parser = argparse.ArgumentParser(prog="checked_graphs", description="Which rules fire on whose files?")
    parser.add_argument("also", nargs="*", type=Path, help="more ONNX files")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    rows = dict(study(options.also))
    sys.stdout.write(_json(rows) if options.json else _text(rows))
    return 0


def _json(rows: Mapping[str, Checked | str]) -> str:
    facts = {
        name: checked
        if isinstance(checked, str)
        else {"opset": checked.opset, "taken_by": checked.taken_by, "rules": [each.rule for each in checked.findings]}
        for name, checked in rows.items()
    }
    return json.dumps(facts) + "\n"


def _text(rows: Mapping[str, Checked | str]) -> str:
    head = ["| made by | opset | layers | JetPack that takes it | refused for | warned of |", "| --- " * 6 + "|"]
    return "\n".join([*head, *(line(name, checked) for name, checked in rows.items())]) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
