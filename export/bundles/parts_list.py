"""The bundle's bill of materials: which models are inside and which packages run them (CycloneDX 1.5, as JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ...compress.networks.base.backbones import Backbone, backbones_in
from .writing import BundleModel

_LONGEST_LICENCE = 100


def parts_list(name: str, models: Sequence[BundleModel]) -> bytes:
    """List the models and every package that a device needs to run them, with the versions they were measured with.

    Args:
        name: Of the run.
        models: What is in the bundle.
    """
    runtimes = {package for model in models for package in model.runtime}
    packages = [_package(each) for each in needed_distributions(["beltline", *sorted(runtimes)])]
    lines = [line for model in models for line in model.artifact.lineage]
    backbones = [_backbone(name, each) for name, each in backbones_in(lines).items()]
    components = [*(_model(model) for model in models), *backbones, *packages]
    value = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "bundle", "name": name}},
        "components": components,
        "dependencies": [{"ref": "bundle", "dependsOn": [each["bom-ref"] for each in components]}],
    }
    return (json.dumps(value, indent=1) + "\n").encode()


def needed_distributions(roots: Iterable[str]) -> list[Distribution]:
    """Give the installed distributions among `roots` and all they need on this machine, sorted by name."""
    found: dict[str, Distribution] = {}
    waiting = [*roots]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += _requirements(found[name])
    return [found[name] for name in sorted(found)]


def _requirements(package: Distribution) -> list[str]:
    parsed = (Requirement(each) for each in package.requires or ())
    return [each.name for each in parsed if each.marker is None or each.marker.evaluate({"extra": ""})]


def _model(model: BundleModel) -> dict[str, Any]:
    artifact = model.artifact
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{artifact.backend}",
        "name": model.row,
        "hashes": [{"alg": "SHA-256", "content": artifact.digest.removeprefix("sha256:")}],
        "properties": [
            {"name": "beltline:backend", "value": artifact.backend},
            {"name": "beltline:precision", "value": artifact.precision},
        ],
    }


def _backbone(name: str, backbone: Backbone) -> dict[str, Any]:
    """Name what a model's weights started from: its licence goes with them."""
    return {
        "type": "machine-learning-model",
        "bom-ref": f"backbone:{name}",
        "name": name,
        "description": f"{backbone.architecture} trained on {backbone.trained_on}",
        "licenses": [{"license": {"id": backbone.licence}}],
        "hashes": [{"alg": "SHA-256", "content": backbone.sha256}],
        "externalReferences": [{"type": "distribution", "url": backbone.source}],
    }


def _package(package: Distribution) -> dict[str, Any]:
    name = canonicalize_name(package.name)
    address = f"pkg:pypi/{name}@{package.version}"
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": package.version,
        "purl": address,
    }
    return part | _licence(package)


def _licence(package: Distribution) -> dict[str, Any]:
    metadata = package.metadata
    if "License-Expression" in metadata:
        return {"licenses": [{"expression": metadata["License-Expression"]}]}
    classified = [each for each in metadata.get_all("Classifier") or () if each.startswith("License ::")]
    names = [each.rpartition(" :: ")[2] for each in classified]
    names += metadata["License"].splitlines() if "License" in metadata else []
    return {"licenses": [{"license": {"name": names[0][:_LONGEST_LICENCE]}}]} if names and names[0] else {}
