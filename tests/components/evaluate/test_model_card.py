"""The model card beside an evaluation, as a page and as a STAC item."""

import json
from pathlib import Path

import jsonschema
import pystac
import pytest

from groundshift.artifacts import read_manifest

SCHEMA = Path(__file__).parents[2] / "data" / "mlm" / "properties.schema.json"
CLASS = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "name": {"type": "string", "minLength": 1}},
    "required": ["value", "name"],
}
"""Of a classification: the extension's Python model tells what holds one, not what is in it."""


def test_a_model_card_tells_where_when_and_how_good(done, inputs):
    page = (done[1] / "model_card.md").read_text()
    model = read_manifest(inputs["model"], "model").content_hash
    assert page.startswith(f"# groundshift-made-up-{model[:12]}\n")
    for told in ("images of 2017-01-", "`radar_a`: sentinel1", "| pr_auc |", "no rights reserved"):
        assert told in page
    item = json.loads((done[1] / "model.stac.json").read_text())
    west, south, east, north = item["bbox"]
    assert 4.3 < west < east < 4.5
    assert 50.5 < south < north < 50.6
    assert item["properties"]["mlm:input"][0]["bands"] == [{"name": "VV"}, {"name": "VH"}]
    assert item["properties"]["groundshift:data"]["model"] == model
    read = pystac.Item.from_dict(item)
    read.stac_extensions = []  # their schemas are on the network only
    read.validate()


def test_a_model_card_has_the_fields_of_stacs_extension_for_models(done):
    item = json.loads((done[1] / "model.stac.json").read_text())
    fields = item["properties"]
    schema = json.loads(SCHEMA.read_text())
    schema["$defs"]["MLMClassification"] = CLASS
    known = {name for name in fields if name.startswith("mlm:")}
    assert known <= schema["properties"].keys()
    jsonschema.Draft202012Validator(schema).validate(fields)
    with pytest.raises(jsonschema.ValidationError, match="'dim_order' is a required property"):
        jsonschema.validate(fields | {"mlm:output": [broken(fields["mlm:output"][0])]}, schema)
    # The rules beyond single fields.
    assert item["stac_extensions"] == ["https://stac-extensions.github.io/mlm/v1.6.0/schema.json"]
    assert (fields["mlm:pretrained"], fields["mlm:pretrained_source"]) == (False, None)
    [weights] = [a for a in item["assets"].values() if "mlm:model" in a["roles"]]
    assert weights["mlm:artifact_type"] == "safetensors"
    described = {band["name"] for band in weights["bands"]}
    assert {band["name"] for taken in fields["mlm:input"] for band in taken["bands"]} == described


def broken(output):
    return output | {"result": {n: v for n, v in output["result"].items() if n != "dim_order"}}
