"""Which numbers a device trains in: what this CPU says of itself decides, not its name."""

from __future__ import annotations

import pytest
import torch
from beltline.compress.training.devices import short_floats, torch_device
from beltline.inspection.base.errors import MissingPartError


@pytest.mark.parametrize(
    ("has", "wanted"),
    [({"amx_bf16": True}, torch.bfloat16), ({"amx_bf16": False}, None), ({"architecture": "arm64"}, None)],
)
def test_a_cpu_with_tile_registers_multiplies_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, bool], wanted: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert short_floats(torch.device("cpu")) is wanted


def test_a_gpu_multiplies_in_float16() -> None:
    assert short_floats(torch.device("cuda")) is torch.float16


def test_what_this_cpu_says_is_understood() -> None:
    assert "architecture" in torch.cpu.get_capabilities()
    assert short_floats(torch.device("cpu")) in {None, torch.bfloat16}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA GPU is here")
def test_cuda_that_is_not_there_is_refused() -> None:
    with pytest.raises(MissingPartError, match="no CUDA GPU"):
        torch_device("cuda")
