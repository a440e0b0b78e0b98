"""From a finished run to a bundle: the rows that are wanted, their evidence, and frames that prove them elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...benchmarks.belt_speed.backlog import busy_ns
from ...benchmarks.report.schema import Report
from ...export.artifacts import files_of
from ...export.bundles.fitness import relied_on, versions_behind
from ...export.bundles.golden import (
    REFERENCE_FRAMES,
    Golden,
    GoldenFrame,
    Reference,
    choose_golden,
    golden_of,
    reference_of,
)
from ...export.bundles.manifest import BudgetFacts, DepthFacts, DeviceFacts, Manifest
from ...export.bundles.packing import packed
from ...export.bundles.parts_list import parts_list
from ...export.bundles.trace import trace_of
from ...export.bundles.writing import BundleModel, BundleParts, write_bundle
from ...export.contracts import Frame
from ...inspection.base.errors import BundleError, StorageError
from ...inspection.base.storage import write_json
from ...inspection.data.appearance import appearance_of
from ...inspection.data.dataset import Dataset, Sample, evenly
from ...inspection.data.streaming import frames_of
from ...inspection.decision.judging import SCORE_ALONE
from ...inspection.references.pairs import parts_of
from ..line.quick import QUICK
from ..stages.job import RunJob
from ..stages.judge import RowResult
from ..stages.stages import Stage, run_stage
from .device_bundle import DeviceModel, DeviceOptions, device_model, golden_there, margin_for

SUFFIX = ".beltline"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """What the user wants bundled.

    Attributes:
        rows: Names of rows, each on another runtime, the one to take first first; empty: the selected one.
        anyway: Take rows that do not fit, too; the bundle says so.
        key: Private key to sign with; None: unsigned.
        output: The file; None: `<run>-<row>.beltline` in the current folder.
        licence: Text file that takes the place of Beltline's own licence; None: Beltline's.
        device: A device that the first row's engine is built on when it is installed there; None: none is.
        number: Ascending with every bundle of a product; None: the second in which the run was measured.
        expires: Day (ISO 8601) after which everyone is warned; None: never.
    """

    rows: tuple[str, ...] = ()
    anyway: bool = False
    key: Path | None = None
    output: Path | None = None
    licence: Path | None = None
    device: DeviceOptions | None = None
    number: int | None = None
    expires: str | None = None


def bundle_rows(
    job: RunJob, results: Sequence[RowResult], report: Report, options: BundleOptions
) -> tuple[Path, Manifest]:
    """Write a bundle with the wanted rows.

    Raises:
        BundleError: No row is wanted and none was selected, a row does not fit and `anyway` was not said, two rows need
            one runtime, or a row is not one for the device.
        GraphError: The device's runtime does not take the row.
        StorageError: The disk is full or the file cannot be written.
    """
    chosen = _chosen(results, report, options)
    measured = [_model(each, report) for each in chosen]
    with TemporaryDirectory(prefix="beltline-") as folder:
        there = [] if options.device is None else [device_model(measured[0], options.device, job.dataset, Path(folder))]
        parts = _parts(job, chosen, report, models=measured, there=there, options=options)
        path = options.output or Path(f"{_file_name(parts, options)}{SUFFIX}")
        return path, write_bundle(path, parts, key=options.key)


def _parts(
    job: RunJob,
    chosen: Sequence[RowResult],
    report: Report,
    *,
    models: Sequence[BundleModel],
    there: Sequence[DeviceModel],
    options: BundleOptions,
) -> BundleParts:
    """Put together what was measured here, with the models that are built elsewhere before it."""
    golden, frames = _golden(job, chosen, models, margin=margin_for(there))
    name = report_name(job)
    everything = (*(each.model for each in there), *models)
    cautions = [*_caution_of_run(name), *(each for model in models for each in _cautions(model, report))]
    return BundleParts(
        name=name,
        line=name.removesuffix(QUICK),
        product=job.line_file.product,
        number=_second_of(report) if options.number is None else options.number,
        expires=options.expires,
        beltline=_version(),
        models=everything,
        device=_device(chosen[0]),
        budget=BudgetFacts(period_ms=job.budget.period_ms, deadline_ms=job.budget.deadline_ms),
        gates=job.line_file.gates,
        depth=_depth(job.dataset),
        judging=None if job.line_file.judging == SCORE_ALONE else job.line_file.judging,
        cautions=(*cautions, *(each.caution for each in there)),
        golden=golden_there(golden, models[0], there),
        frames=frames,
        report=(job.folder / "report.json").read_bytes(),
        licence=_licence(options.licence),
        parts_list=parts_list(name, everything),
        reference=_reference(job, chosen, there),
        trace=trace_of(job.budget.arrivals, {each.artifact.backend: busy_ns(each.timed.belt) for each in chosen}),
    )


def bundle_selected(job: RunJob, results: Sequence[RowResult], report: Report) -> Path | None:
    """Leave the selected row in the run's folder as `bundle/<run>-<row>.beltline`; unsigned, older ones removed.

    Returns:
        The file; None where no row was selected: then there is none.
    """
    folder = job.folder / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    if report.selected is None:
        return None
    options = BundleOptions(output=folder / f"{report_name(job)}-{report.selected}{SUFFIX}")
    return bundle_rows(job, results, report, options)[0]


def report_name(job: RunJob) -> str:
    """Name of the run, as it stands in its bundles."""
    return job.line_file.run_name


def _chosen(results: Sequence[RowResult], report: Report, options: BundleOptions) -> list[RowResult]:
    names = options.rows or ((report.selected,) if report.selected is not None else ())
    by_name = {result.name: result for result in results}
    if not names:
        msg = f"no row was selected, since none fits; name one of {', '.join(by_name)} with --row, and add --anyway"
        raise BundleError(msg)
    if absent := [name for name in names if name not in by_name]:
        msg = f"--row: wanted one of {', '.join(by_name)}, got {absent[0]!r}"
        raise BundleError(msg)
    verdicts = {row.name: row.verdict for row in report.rows}
    if unfit := [name for name in names if verdicts[name] != "fits" and not options.anyway]:
        msg = (
            f"row {unfit[0]}: wanted the verdict fits, got {verdicts[unfit[0]]}; correct it (the report says how), or "
            "add --anyway to bundle it: the bundle will say so to everyone who verifies it"
        )
        raise BundleError(msg)
    backends = [by_name[name].artifact.backend for name in names]
    if len(set(backends)) < len(backends):
        msg = f"--row: wanted rows on different runtimes, got {', '.join(backends)}; make a bundle for each"
        raise BundleError(msg)
    devices = [by_name[name].device.name for name in names]
    if len(set(devices)) > 1:
        msg = f"--row: wanted rows measured on one device, got {', '.join(devices)}; make a bundle for each"
        raise BundleError(msg)
    return [by_name[name] for name in names]


def _model(result: RowResult, report: Report) -> BundleModel:
    row = next(row for row in report.rows if row.name == result.name)
    quality = row.quality
    if quality is None:
        msg = f"row {row.name} was not judged; run the line again"
        raise BundleError(msg)
    facts = result.timed.belt.fingerprint
    return BundleModel(
        row=row.name,
        artifact=result.artifact,
        threshold=quality.threshold,
        verdict=row.verdict,
        relies_on=relied_on(result.artifact.precision, facts["isa"]),
        runtime=versions_behind(result.artifact.backend, facts["versions"]),
    )


def _caution_of_run(name: str) -> list[str]:
    if not name.endswith(QUICK):
        return []
    return ["made from a quick run: trained and measured briefly, to see the whole path and not to rely on"]


def _cautions(model: BundleModel, report: Report) -> list[str]:
    """Say what whoever installs the bundle must bear in mind: the row's cautions, and a verdict that is not `fits`."""
    row = next(row for row in report.rows if row.name == model.row)
    cautions = [*row.cautions, *report.data.cautions]
    if model.verdict == "fits":
        return cautions
    why = f"{model.row} was bundled although its verdict is {model.verdict}. {' '.join(row.reasons)[:1500]}"
    return [why, *cautions]


def _device(result: RowResult) -> DeviceFacts:
    facts = result.timed.belt.fingerprint
    return DeviceFacts(
        name=result.device.name,
        cpu=facts["cpu"],
        architecture=facts["architecture"],
        isa=tuple(facts["isa"]),
        threads=result.device.target.threads,
    )


def _depth(dataset: Dataset) -> DepthFacts | None:
    if (dataset.bit_depth, dataset.window) == (8, None):
        return None
    return DepthFacts(bit_depth=dataset.bit_depth, window=dataset.window)


def _golden(
    job: RunJob, chosen: Sequence[RowResult], models: Sequence[BundleModel], *, margin: float
) -> tuple[Golden, list[Frame]]:
    """Choose frames of val and test by the first model's scores, with the scores of every model."""
    samples = (*job.dataset.of("val"), *job.dataset.of("test"))
    scores = [np.concatenate([each.scored.val, each.scored.test]) for each in chosen]
    places = choose_golden(
        scores[0],
        [sample.defective for sample in samples],
        threshold=models[0].threshold,
        size_bytes=max(sample.height * sample.width for sample in samples)
        * job.dataset.file_channels
        * (2 if job.dataset.referenced else 1),
        margin=margin,
    )
    if not places:
        msg = f"row {models[0].row}: every frame lies at its threshold, so none can prove it; train it again"
        raise BundleError(msg)
    frames = list(frames_of(job.dataset, [samples[place] for place in places]))
    pairs = enumerate(zip(places, frames, strict=True))
    named = [_named(number, samples[place], frame) for number, (place, frame) in pairs]
    scored = {model.artifact.backend: row[places].tolist() for model, row in zip(models, scores, strict=True)}
    return golden_of(named, scored, {model.artifact.backend: model.threshold for model in models}), frames


def _reference(job: RunJob, chosen: Sequence[RowResult], there: Sequence[DeviceModel]) -> Reference | None:
    """Take good frames of val, evenly spread: with the scores of every model, and their appearance.

    A model that is built elsewhere is to score as the row that it comes from.
    """
    val = job.dataset.of("val")
    good = {sample.path: place for place, sample in enumerate(val) if not sample.defective}
    samples = evenly([val[place] for place in good.values()], REFERENCE_FRAMES)
    if not samples:
        return None
    places = [good[sample.path] for sample in samples]
    scored = {each.artifact.backend: each.scored.val[places].tolist() for each in chosen}
    elsewhere = dict.fromkeys((each.model.artifact.backend for each in there), scored[chosen[0].artifact.backend])
    return reference_of(
        {**elsewhere, **scored},
        [appearance_of(_photograph(job, frame)) for frame in frames_of(job.dataset, samples)],
        drawn_from=f"{len(samples)} of {len(good)} good frames of val",
    )


def _photograph(job: RunJob, frame: Frame) -> Frame:
    """Give what the camera saw, without the reference that it is compared with."""
    return parts_of(frame)[0] if job.dataset.referenced else frame


def _file_name(parts: BundleParts, options: BundleOptions) -> str:
    device = f"-{options.device.profile}" if options.device is not None else ""
    return f"{parts.name}-{parts.models[0].row}{device}"


def _named(number: int, sample: Sample, frame: Frame) -> GoldenFrame:
    kind = "pgm" if frame.shape[2] == 1 else "ppm"
    return GoldenFrame(file=f"golden/{number:03d}.{kind}", label=sample.label, source=sample.path)


def _licence(path: Path | None) -> bytes:
    """Read the text that goes into the bundle as `LICENSE`."""
    if path is not None:
        try:
            return path.read_bytes()
        except OSError as error:
            msg = f"{path}: the licence cannot be read: {error.strerror}"
            raise BundleError(msg) from error
    beside = Path(__file__).resolve().parents[2] / "LICENSE"
    if beside.is_file():
        return beside.read_bytes()
    text = distribution("beltline").read_text("licenses/LICENSE")
    if text is None:
        msg = "Beltline's own licence is not where it was installed; name a text with --license"
        raise StorageError(msg)
    return text.encode()


def _second_of(report: Report) -> int:
    """Give the second since 1970 in which a run began: later runs give higher numbers, the same run the same one."""
    try:
        return max(0, int(datetime.fromisoformat(report.started or "").timestamp()))
    except ValueError:
        return 0


def _version() -> str:
    try:
        return version("beltline")
    except PackageNotFoundError:
        return "source"


def transport_bytes(job: RunJob, result: RowResult) -> int | None:
    """Give a candidate's size on its way to a device; None: nobody will send it."""
    if result.plan.role != "candidate":
        return None
    stage = Stage(name="pack", inputs={"artifact": result.artifact.digest, "coding": 2})

    def work(folder: Path) -> None:
        files = [path.read_bytes() for path in files_of(result.artifact.path)]
        write_json(folder / "packed.json", {"bytes": sum(len(packed(each) or each) for each in files)})

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return int(json.loads((folder / "packed.json").read_text(encoding="utf-8"))["bytes"])
