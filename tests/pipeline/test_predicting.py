from __future__ import annotations

import json

from beltline.export.contracts import Graph
from beltline.pipeline.predicting import predict, predictions_text
from beltline.targets.profile import profiles


def test_every_device_is_predicted_or_named_as_not(tiny_graph: Graph) -> None:
    facts = predict(tiny_graph.path)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["predicted"] is True
    notified = {row["device"] for row in facts["rows"]} | set(facts["without"])
    assert notified == set(profiles()) - {"local"}
    assert all(time > 0 for row in facts["rows"] for time in row["network_ms"].values())


def test_the_words_say_that_nothing_was_measured(tiny_graph: Graph) -> None:
    text = predictions_text(predict(tiny_graph.path))
    assert "Predicted from data sheets" in text
    assert "measure on the device" in text
    assert text.count("jetson-orin-nano ") == len(profiles()["jetson-orin-nano"].rooflines)
