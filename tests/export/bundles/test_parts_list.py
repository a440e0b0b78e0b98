"""The bill of materials, by the rules of those who made the format."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from beltline.compress.networks.base.backbones import origin_of
from beltline.export.bundles.parts_list import needed_distributions, parts_list
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def test_it_is_valid_and_names_model_and_packages(bundle: Any) -> None:
    raw = bundle.parts.parts_list
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(raw.decode()) is None
    value = json.loads(raw)
    found = {each["name"]: each for each in value["components"]}
    assert found["tiny"]["type"] == "machine-learning-model"
    assert found["tiny"]["hashes"][0]["content"] == bundle.parts.models[0].artifact.digest[7:]
    assert found["onnxruntime"]["purl"] == f"pkg:pypi/onnxruntime@{version('onnxruntime')}"
    assert {"numpy", "pydantic"} <= found.keys()
    assert "torch" not in found
    assert found["numpy"]["licenses"]
    assert parts_list("tiny", bundle.parts.models) == raw


def test_a_pretrained_backbone_is_named_with_its_licence(bundle: Any) -> None:
    origin = origin_of("tf_efficientnet_lite0", pretrained=True, channels=3)
    assert origin is not None
    (model,) = bundle.parts.models
    started = replace(model, artifact=replace(model.artifact, lineage=(origin.line, *model.artifact.lineage)))
    raw = parts_list("tiny", [started])
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(raw.decode()) is None
    found = {each["name"]: each for each in json.loads(raw)["components"]}["efficientnet_lite0"]
    assert found["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert found["hashes"][0]["content"].startswith("579344248a93")
    assert found["externalReferences"][0]["url"].startswith("https://pypi.org/")


def test_a_broken_list_would_be_found(bundle: Any) -> None:
    value = json.loads(bundle.parts.parts_list)
    value["components"][0]["type"] = "gadget"
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(value)) is not None


def test_what_is_not_installed_is_passed_over() -> None:
    assert needed_distributions(["no-such-package-anywhere"]) == []
