"""Which versions made a stage's result: they stand in its inputs, so that another version makes it anew.

A method, a backend and a network family each name the distributions that decide what they give (`packages`); one from
another package stands for itself besides. Beltline's own version is not among them: `stages.STAGE_FORMAT` is raised
where an older result must not be taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...compress.checkpoint import read_header
from ...compress.networks.base.families import network_packages
from ...compress.recipe import methods
from ...export.artifacts import backend_packages, runs_checkpoint
from ...inspection.base.packages import versions_of
from ...inspection.base.plugins import provider
from ...inspection.base.storage import digest_of_json
from ...targets.fingerprint import BASE

_BELTLINE = "beltline"
_FRAMES = tuple(name for name in BASE if name != _BELTLINE)
"""What reads and changes images, whatever the network."""

_EXPORT = ("torch", "onnx", "onnxscript")


def network_versions(network: Mapping[str, Any], *others: str) -> dict[str, str]:
    """Give the versions behind a network that is trained or run in torch, and those of other distributions."""
    return versions_of(("torch", *_FRAMES, *network_packages(network), *others))


def checkpoint_versions(checkpoint: Path, *others: str) -> dict[str, str]:
    """Give the versions behind the network of a checkpoint."""
    return network_versions(read_header(checkpoint)["network"], *others)


def export_versions(checkpoint: Path) -> dict[str, str]:
    """Give the versions that decide what an exported graph looks like."""
    return checkpoint_versions(checkpoint, *_EXPORT)


def graph_versions(steps: Iterable[str]) -> dict[str, str]:
    """Give the versions that decide what export and steps on the graph make of any network."""
    found = [methods()[name] for name in steps]
    named = (each for method in found for each in (*method.packages, *provider("compress.methods", method)))
    return versions_of((*_EXPORT, *named))


def step_versions(method: str, source: Path, network: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Give the versions that decide what a step of a recipe makes.

    Args:
        method: Its name.
        source: What it reads: a checkpoint, whose network counts, or an ONNX file.
        network: Of the new network, where the step makes one.
    """
    found = methods()[method]
    named = (*_FRAMES, *found.packages, *provider("compress.methods", found))
    own = versions_of((*named, *(network_packages(network) if network else ())))
    return own if source.suffix == ".onnx" else {**own, **checkpoint_versions(source)}


def runtime_of(backend: str, model: Path | None = None) -> dict[str, Any]:
    """Name a backend and the versions it runs on: another version may give other numbers.

    Args:
        backend: Its name.
        model: What it runs; of a checkpoint, which torch runs, the network's distributions count too.
    """
    versions = versions_of((*_FRAMES, *backend_packages(backend)))
    if model is not None and runs_checkpoint(backend):
        versions |= checkpoint_versions(model)
    return {"backend": backend, "versions": versions}


def machine_of(facts: Mapping[str, Any], *run_by: str) -> dict[str, Any]:
    """Give all of a device's facts that its times hang on.

    Args:
        facts: Its fingerprint; what changes from minute to minute, such as the temperature, is left out.
        run_by: Names of the backends that are timed there; versions of others are left out.
    """
    wanted = {*BASE, *(package for name in run_by for package in backend_packages(name))}
    lasting = {key: value for key, value in facts.items() if key != "conditions"}
    versions = {name: version for name, version in facts.get("versions", {}).items() if name in wanted}
    return {**lasting, "versions": versions}


def machine_digest(facts: Mapping[str, Any], *run_by: str) -> str:
    """Give `sha256:<hex>` of what `machine_of` gives."""
    return digest_of_json(machine_of(facts, *run_by))
