"""The `teacher:` section of line.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..networks.base.families import NetworkSettings
from ..recipe import Step
from ..training.fit_settings import Edge, FitSettings

OutputKind = Literal["mask_logit", "class_logits", "anomaly_map"]


class TeacherSettings(BaseModel):
    """Where the teacher comes from: trained here, taken from a checkpoint, brought along, or a finished ONNX file.

    Attributes:
        network: What to train (the usual case).
        fit: How to train it.
        input_size: Network input `[height, width]` in pixels, multiples of 32; None: the median frame, rounded.
        device: Where to train; `auto` takes CUDA where it is there.
        weights: A checkpoint of ours (`.safetensors`), or with `factory` a state dict. Nothing is trained then.
        factory: `module:function` that gives the user's own `torch.nn.Module`.
        folder: Where the factory's module is looked for first; relative to line.yaml.
        output: What that module returns, batch first: a mask logit `[N, 1, h, w]`, class logits `[N, classes]`
            with class 0 = good, or an anomaly map `[N, 1, h, w]`, larger = stranger.
        onnx: A finished model that keeps the inspector contract; only graph steps apply to it.
        assistant: Steps on the teacher's module; what comes of them teaches the candidates in its place (Mirzadeh et
            al. 2020, arXiv 1902.03393): smaller, so that they are trained sooner. Rows are compared with the teacher.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    network: NetworkSettings = Field(default={"family": "smp"}, validate_default=True)
    fit: FitSettings = FitSettings()
    input_size: tuple[Edge, Edge] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    weights: Path | None = None
    factory: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")
    folder: Path = Path()
    output: OutputKind = "mask_logit"
    onnx: Path | None = None
    assistant: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> TeacherSettings:
        if self.onnx is not None and (self.factory or self.weights):
            msg = "teacher: onnx excludes factory and weights; give one source"
            raise ValueError(msg)
        if self.onnx is not None and self.assistant:
            msg = "teacher: onnx excludes an assistant, which is made of a torch network; give weights instead"
            raise ValueError(msg)
        if self.factory is not None and self.weights is None:
            msg = "teacher: factory needs weights (a .safetensors or .pt state dict)"
            raise ValueError(msg)
        return self

    @field_validator("assistant")
    @classmethod
    def _can_teach(cls, assistant: tuple[Step, ...]) -> tuple[Step, ...]:
        for step in assistant:
            if step.works_on != "module":
                msg = f"wanted steps on a torch network, such as distill or prune, got {step.method}; drop it"
                raise ValueError(msg)
            if step.settings.wanted_ms is not None:
                msg = "engine_ms is for what runs on the device, an assistant does not; write prune: {macs: 0.5}"
                raise ValueError(msg)
        return assistant
