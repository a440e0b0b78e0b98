from __future__ import annotations

import json
from pathlib import Path

from beltline.pipeline.line.line_file import line_schema, schema_text


def test_the_published_schema_is_current() -> None:
    published = Path(__file__).parents[3] / "pipeline" / "line" / "line.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(), (
        "run: beltline plan --schema > pipeline/line/line.schema.json"
    )


def test_every_reference_leads_somewhere() -> None:
    schema = line_schema()
    references = [each.split('"')[0] for each in json.dumps(schema).split('"$ref": "#/$defs/')[1:]]
    assert references
    assert set(references) <= set(schema["$defs"])


def test_unknown_keys_are_wrong_for_an_editor_too() -> None:
    schema = line_schema()
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Line"]["additionalProperties"] is False


def test_each_method_has_its_own_step() -> None:
    forms = line_schema()["$defs"]["Step"]["anyOf"]
    assert {"prune", "distill"} <= {name for form in forms for name in form.get("properties", ())}


def test_each_key_is_explained_where_an_editor_shows_it() -> None:
    schema = line_schema()
    assert schema["properties"]["seed"]["description"] == "Of everything random."
    assert schema["$defs"]["Line"]["properties"]["belt_speed_mm_s"]["description"] == "Speed of the belt, in mm/s."
    assert "Attributes:" not in schema_text()
