"""A prediction follows from the figures alone, and every device either has them or says so."""

from __future__ import annotations

import pytest
from beltline.targets.profile import profiles
from beltline.targets.roofline import LayerWork, Roofline, predicted_ms
from pydantic import ValidationError

NANO = Roofline(
    mode="15W", engine="gpu", memory_gb_s=50, tera_operations_s={"fp16": 10, "int8": 20}, source="an example"
)


def layer(*, macs: int = 0, weights: int = 0, activations: int = 0) -> LayerWork:
    return LayerWork(name="layer", macs=macs, weights=weights, activations=activations)


def test_arithmetic_decides_where_there_is_much_of_it_and_memory_where_there_is_little() -> None:
    assert predicted_ms([layer(macs=5 * 10**9)], NANO, "fp16") == pytest.approx(1.0)
    assert predicted_ms([layer(weights=10**6, activations=24 * 10**6)], NANO, "fp16") == pytest.approx(1.0)
    both = layer(macs=5 * 10**9, weights=25 * 10**6)
    assert predicted_ms([both], NANO, "fp16") == pytest.approx(1.0)


def test_layers_follow_one_another_and_int8_halves_both_sides() -> None:
    work = [layer(macs=10**9), layer(activations=10**7)]
    assert predicted_ms(work, NANO, "fp16") == pytest.approx(0.2 + 0.4)
    assert predicted_ms(work, NANO, "int8") == pytest.approx(0.1 + 0.2)


@pytest.mark.parametrize(
    "changed", [{"memory_gb_s": 0}, {"tera_operations_s": {}}, {"engine": "fpga"}, {"source": "x"}]
)
def test_figures_that_cannot_be_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Roofline.model_validate({**NANO.model_dump(), **changed})


def test_every_shipped_roofline_names_its_source_and_int8_is_no_slower_than_float() -> None:
    with_figures = [profile for profile in profiles().values() if profile.rooflines]
    assert len(with_figures) >= 10
    for profile in with_figures:
        for roofline in profile.rooflines:
            assert "http" in roofline.source, (profile.name, roofline.mode)
            peaks = roofline.tera_operations_s
            assert peaks.get("int8", 1e9) >= peaks.get("fp16", peaks["fp32"]) >= peaks["fp32"], profile.name


def test_an_orin_s_peaks_follow_its_cores_and_clock() -> None:
    modes = {each.mode: each.tera_operations_s for each in profiles()["jetson-orin-nano"].rooflines}
    assert modes["15W"]["int8"] == pytest.approx(8 * 0.612 * 4.096, rel=0.01)
    assert modes["25W"]["fp16"] == pytest.approx(8 * 0.918 * 2.048, rel=0.01)
    largest = profiles()["jetson-agx-orin"].rooflines[-1].tera_operations_s
    assert largest["int8"] == pytest.approx(16 * 1.3 * 4.096, rel=0.01)
