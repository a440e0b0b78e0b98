"""What the comparisons with other people's tools share: which model, which frames, and interleaving."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ...benchmarks.proof.ratio import Ratio, ratio_of_rounds
from ...benchmarks.report.reading import read_report
from ...benchmarks.timing.measurement import Measurement
from ...benchmarks.timing.measuring import MeasureLimits, measure_back_to_back
from ...export.contracts import Artifact, Frame
from ...inspection.base.errors import BeltlineError, DataError, MeasurementError
from ...inspection.data.dataset import evenly
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.data.streaming import frames_of
from ...targets.profile import target_of
from ...targets.target import Target

ROUNDS = 8
SECONDS = 3

_FRAMES = 64
_MOST_FRAMES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a comparison works on.

    Attributes:
        artifact: The model.
        frames: Camera frames of its line, or noise.
        noise: Whether they are noise.
        target: Threads and CPUs, the same for both tools.
        rounds: How often each takes its turn.
        seconds: Of each turn, after warming up.
    """

    artifact: Artifact
    frames: tuple[Frame, ...]
    noise: bool
    target: Target
    rounds: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Beltline's figure against a peer's, interleaved.

    Attributes:
        statistic: What was compared, such as `engine p50`.
        peer: Whose tool.
        ours_ms: Each round's figure of Beltline, in ms.
        theirs_ms: And of the peer.
        ratio: Ours over theirs.
        noise: Whether the frames were noise.
    """

    statistic: str
    peer: str
    ours_ms: tuple[float, ...]
    theirs_ms: tuple[float, ...]
    ratio: Ratio
    noise: bool

    def text(self) -> str:
        """Give a small table in Markdown, and the ratio as a sentence."""
        lines = [f"| {self.statistic} | " + " | ".join(f"round {n + 1}" for n in range(len(self.ours_ms))) + " |"]
        lines.append("| --- " * (len(self.ours_ms) + 1) + "|")
        for name, times_ms in (("beltline", self.ours_ms), (self.peer, self.theirs_ms)):
            lines.append(f"| {name} | " + " | ".join(f"{each:.4g} ms" for each in times_ms) + " |")
        found = self.ratio
        lines.append("")
        lines.append(
            f"beltline over {self.peer}: {found.ratio:.4f} ({found.confidence:.0%}: {found.lower:.4f} to "
            f"{found.upper:.4f}, {len(self.ours_ms)} rounds interleaved{', frames of noise' if self.noise else ''})"
        )
        return "\n".join(lines) + "\n"


def measured_back_to_back(trial: Trial) -> Measurement:
    """Measure a trial once with Beltline, back to back, for as long as the peer has."""
    return measure_back_to_back(
        trial.artifact,
        trial.frames,
        target=trial.target,
        limits=MeasureLimits(frames=_MOST_FRAMES, seconds=trial.seconds),
    )


def compare_interleaved(
    trial: Trial, *, peer: str, statistic: str, ours: Callable[[], float], theirs: Callable[[], float]
) -> Agreement:
    """Let both tools measure interleaved; every other round runs backwards.

    Args:
        trial: How often.
        peer: Whose tool.
        statistic: What both give.
        ours: Measures once with Beltline; gives ms.
        theirs: Measures once with the peer's tool; gives ms.
    """
    found: dict[str, list[float]] = {"ours": [], "theirs": []}
    turns = (("ours", ours), ("theirs", theirs))
    for number in range(trial.rounds):
        for name, turn in turns[:: -1 if number % 2 else 1]:
            found[name].append(turn())
            sys.stderr.write(f"round {number + 1} of {trial.rounds}, {name}: {found[name][-1]:.4g} ms\n")
    return Agreement(
        statistic=statistic,
        peer=peer,
        ours_ms=tuple(found["ours"]),
        theirs_ms=tuple(found["theirs"]),
        ratio=ratio_of_rounds(statistic, found["ours"], found["theirs"]),
        noise=trial.noise,
    )


def run_study(name: str, description: str, study: Callable[[Trial], Agreement], argv: Sequence[str]) -> int:
    """Read a comparison's command line, run it and print what it found; 2 after an error that a user can correct."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("model", help="a run's folder and a row, runs/pcb:small-int8, or a folder with artifact.json")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each tool takes its turn, at least 2")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each turn")
    parser.add_argument("--threads", type=int, default=None, help="of the engine; else one per physical core")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    try:
        artifact = chosen_artifact(options.model)
        frames, noise = frames_for(artifact)
        trial = Trial(
            artifact=artifact,
            frames=frames,
            noise=noise,
            target=target_of("local", threads=options.threads),
            rounds=max(2, options.rounds),
            seconds=max(1, options.seconds),
        )
        found = study(trial)
    except BeltlineError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return error.exit_code
    plain: dict[str, Any] = {**asdict(found), "ratio": found.ratio.to_json()}
    sys.stdout.write(json.dumps(plain) + "\n" if options.json else found.text())
    return 0


def chosen_artifact(model: str) -> Artifact:
    """Find a model: `<run folder>:<row>`, or the folder of a built stage.

    Raises:
        MeasurementError: There is none.
        DataError: The run's report cannot be read.
    """
    run, colon, row = model.rpartition(":")
    folder = _folder_of_row(Path(run), row) if colon else Path(model)
    try:
        written = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        artifact = Artifact.from_json({**written, "path": Path(written["path"]).name})
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{folder}: no model is built there ({error}); give runs/<name>:<row>, or a folder with artifact.json"
        raise MeasurementError(msg) from error
    return artifact.moved_to(folder / artifact.path)


def frames_for(artifact: Artifact) -> tuple[tuple[Frame, ...], bool]:
    """Give test frames of the run that a model lies in; where there is no run, seeded noise, and True."""
    lock = artifact.path.absolute().parents[2] / "line.lock.yaml"
    if lock.is_file():
        dataset = load_dataset(DataSettings.model_validate(yaml.safe_load(lock.read_text("utf-8"))["data"]))
        return tuple(frames_of(dataset, evenly(dataset.of("test"), _FRAMES))), False
    spec, random = artifact.frame, np.random.default_rng(0)
    shape = (spec.frame_height or spec.height, spec.frame_width or spec.width, spec.channels)
    return tuple(random.integers(0, 256, shape, dtype=np.uint8) for _ in range(_FRAMES)), True


def _folder_of_row(run: Path, row: str) -> Path:
    rows = {each["name"]: each.get("artifact") for each in read_report(run / "report.json")["rows"]}
    if rows.get(row) is None:
        msg = f"{run}: wanted a row, one of {', '.join(rows)}, got {row!r}"
        raise DataError(msg)
    return run / "stages" / Path(rows[row]).parent.name
