"""The next version of a line's inspector: what people found goes in, the result is tried against the one at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...compress.teacher.settings import TeacherSettings
from ...export.bundles.reading import open_bundle
from ...inspection.base.errors import BundleError
from ...inspection.base.storage import copy_file, write_bytes
from ...inspection.data.dataset import SPLITS, Dataset, Sample
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.statistics.usefulness import parts_needed
from ..console import Console
from ..deploy.bundling import SUFFIX, BundleOptions, bundle_rows
from ..line.line_file import LineFile, load_line_file, lock_text
from ..report.reporting import write_report
from ..run import measured_rows, open_job
from ..search.found import with_found
from ..stages.rows import TEACHER, RowPlan, planned_rows, require_parts
from .comparison import Compared, Decided, compare, decided
from .keeping import FOUND, Added, keep

CURRENT = f"current{SUFFIX}"
_NEXT = "-next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A next version that was tried.

    Attributes:
        learns: From good parts alone, or from defects as well.
        bundle: The file.
        compared: With the version at work, on the test split of all that is kept.
        missed: What is still passed of the defective parts that people found, and why.
    """

    learns: str
    bundle: Path
    compared: Compared
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What came of it.

    Attributes:
        added: What has gone in.
        kept: Folder of all that is kept.
        at_work: The bundle that it was tried against.
        candidates: The next versions, in the order in which they were tried.
        chosen: The one that takes the place of the old one; None: the old one stays.
        found: Defective parts that people found, of all calls.
        supervised: Whether there are enough defects to learn from them; else what is missing.
    """

    added: Added
    kept: Path
    at_work: Path
    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    found: int
    supervised: str


def learn_line(
    line_file: Path, *, good: Path | None, defects: Path | None, at_work: Path | None, runs: Path, console: Console
) -> Learned:
    """Add what people found, make the next version, and let it take the old one's place if it is not worse.

    Args:
        line_file: The line; it is not changed. All that is kept lies beside it, in `<name>-kept`.
        good: Photographs of good parts, such as those that were rejected.
        defects: Photographs of defective parts, such as those that were missed; sub-folders name kinds.
        at_work: Bundle to try against; None: the one that was learned last, or the one of the line's run.
        runs: Folder of all runs.
        console: Where progress goes.

    Raises:
        BeltlineError: What the user can correct; the version at work stays as it is.
    """
    asked = with_found(load_line_file(line_file), runs)
    kept = line_file.resolve().parent / f"{asked.run_name}-kept"
    old = at_work or _at_work(asked, kept, runs)
    asked = _with_recipe_of(asked, old)
    own = load_dataset(asked.data, camera=asked.camera, needs_defects=not asked.teacher.good_only)
    added = keep(kept, own, good=good, defects=defects)
    lines, supervised = _next_lines(asked, kept)
    candidates = tuple(_tried(each, learns, old, runs=runs, console=console) for learns, each in lines)
    chosen = _best(candidates)
    if chosen is not None:
        _put_to_work(chosen, dict(lines)[chosen.learns], kept)
    found = sum(sample.defective and sample.path.startswith(FOUND) for sample in _all_kept(asked, kept).samples)
    return Learned(
        added=added,
        kept=kept,
        at_work=old,
        candidates=candidates,
        chosen=chosen,
        found=found,
        supervised=supervised,
    )


def _at_work(asked: LineFile, kept: Path, runs: Path) -> Path:
    if (kept / CURRENT).is_file():
        return kept / CURRENT
    found = sorted((runs / asked.run_name / "bundle").glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime)
    if not found:
        msg = (
            f"learn: {asked.run_name} has no bundle yet to try the next version against, in {runs / asked.run_name}; "
            "run `beltline start` or `beltline run` first, or name the one at work with --bundle"
        )
        raise BundleError(msg)
    return found[-1]


def _with_recipe_of(asked: LineFile, bundle: Path) -> LineFile:
    """Keep the recipe that the version at work was made by: the next one is made by it, too."""
    with open_bundle(bundle) as opened:
        row = opened.manifest.models[0].row
    recipes = tuple(each for each in asked.recipes if each.name == row)
    if not recipes:
        named = ", ".join(each.name for each in asked.recipes) or "none"
        msg = (
            f"{bundle}: it holds the row {row!r}, which is no recipe of the line (it has {named}); name another bundle"
        )
        raise BundleError(msg)
    return asked.model_copy(update={"recipes": recipes, "search": None})


def _data(asked: LineFile, kept: Path) -> DataSettings:
    """Read what is kept as the line's own data is read: grey levels, masks and parts mean the same there."""
    fresh = {"root": kept, "reader": "labels_csv", "near_duplicates": False}
    as_before = asked.data.model_dump(include={"mask", "bit_depth", "window", "channels", "decide"})
    return DataSettings.model_validate({**as_before, **fresh})


def _all_kept(asked: LineFile, kept: Path) -> Dataset:
    return load_dataset(_data(asked, kept), camera=asked.camera, needs_defects=False)


def _next_lines(asked: LineFile, kept: Path) -> tuple[list[tuple[str, LineFile]], str]:
    """Give what is to be tried, and whether defects are enough to learn from; else what is missing."""
    again = asked.model_copy(update={"data": _data(asked, kept), "name": f"{asked.run_name}{_NEXT}"})
    if not asked.teacher.good_only:
        return [("from defects", again)], "yes"
    missing = _missing_defects(_all_kept(asked, kept))
    if missing:
        return [("from good parts", again)], missing
    supervised = again.model_copy(update={"teacher": TeacherSettings(), "name": f"{asked.run_name}{_NEXT}-supervised"})
    return [("from good parts", again), ("from defects", supervised)], "yes"


def _missing_defects(dataset: Dataset) -> str:
    needed = parts_needed()
    counts = {split: sum(sample.defective for sample in dataset.of(split)) for split in SPLITS}
    short = [f"{needed - count} more in {split}" for split, count in counts.items() if count < needed]
    return f"wanted {needed} defective parts in each split to learn from defects, missing: {', '.join(short)}" * bool(
        short
    )


def _tried(line: LineFile, learns: str, old: Path, *, runs: Path, console: Console) -> Candidate:
    console.notify(f"learn: next version {learns}")
    plans = _plans(line)
    require_parts(plans, runs=True)
    with open_job(line, runs=runs, console=console) as opened:
        job, results = measured_rows(opened, plans)
        report = write_report(job, results)
        name = line.recipes[0].name
        bundle = job.folder / "bundle" / f"{line.run_name}-{name}{SUFFIX}"
        bundle.parent.mkdir(exist_ok=True)
        bundle_rows(job, results, report, BundleOptions(rows=(name,), anyway=True, output=bundle))
    test = job.dataset.of("test")
    found = [sample for sample in job.dataset.samples if sample.defective and sample.path.startswith(FOUND)]
    good = [sample for sample in job.dataset.of("val") if not sample.defective]
    new = decided(bundle, job.dataset, [*test, *found, *good])
    compared = compare(decided(old, job.dataset, test), _part(new, 0, len(test)), test, gates=line.gates)
    of_found = _part(new, len(test), len(test) + len(found))
    of_good = _part(new, len(test) + len(found), len(new.scores))
    return Candidate(learns=learns, bundle=bundle, compared=compared, missed=_missed(found, of_found, of_good))


def _plans(line: LineFile) -> tuple[RowPlan, ...]:
    """Plan what the line asks for; a memory's teacher on its row's runtime, since both are one network."""
    plans = planned_rows(line, baselines=False)
    same = next((each for each in plans[1:] if not each.steps), None)
    if same is None:
        return plans
    return tuple(replace(each, backend=same.backend) if each.name == TEACHER else each for each in plans)


def _part(all_decided: Decided, start: int, end: int) -> Decided:
    rejected, scores = all_decided.rejected[start:end], all_decided.scores[start:end]
    return replace(all_decided, rejected=rejected, scores=scores)


def _missed(found: Sequence[Sample], decisions: Decided, good: Decided) -> tuple[str, ...]:
    """Say of each part that is still passed what catching it would cost."""
    return tuple(
        f"{sample.path} ({sample.label}): score {score:.3f}, cut at {decisions.threshold:.3f}; a cut that catches it "
        f"rejects {int(np.sum(good.scores >= score))} of {len(good.scores)} good parts that set the threshold"
        for sample, score, rejected in zip(found, decisions.scores, decisions.rejected, strict=True)
        if not rejected
    )


def _best(candidates: Sequence[Candidate]) -> Candidate | None:
    """Take the one that passes fewest of the parts that people found; of two alike, the first."""
    able = [each for each in candidates if not each.compared.reasons]
    return min(able, key=lambda each: len(each.missed), default=None)


def _put_to_work(chosen: Candidate, line: LineFile, kept: Path) -> None:
    copy_file(chosen.bundle, kept / CURRENT, advice="then learn again")
    write_bytes(kept / "line.yaml", lock_text(line).encode())
