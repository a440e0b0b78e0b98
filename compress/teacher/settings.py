"""The `teacher:` section of line.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ...inspection.base.errors import LineFileError
from ..networks.base.backbones import usual_teacher
from ..networks.base.families import NetworkSettings
from ..networks.base.output_settings import ChannelOrder, OutputKind, OutputSettings
from ..recipe import Step
from ..training.fit_settings import Edge, FitSettings

_KINDS = get_args(OutputKind)
_SOURCE_KEYS = (
    "output",
    "kind",
    "input",
    "output_at",
    "good_class",
    "normalisation",
    "mean",
    "std",
    "channels",
    "weights_at",
)
_MEMORY = "memory"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_IMAGENET_GREY = ((0.449,), (0.226,))  # their means, as is usual for one channel
_ASK = (
    "teacher: this model needs what its weights were trained with; write normalisation: imagenet (mean 0.485, "
    "0.456, 0.406), unit (pixels in 0..1), data (mean and deviation of this data set), or mean: and std: on the scale "
    "0..1; and channels: bgr where frames came from OpenCV unchanged"
)


TeacherKind = Literal["segment", "reference"]
"""What a teacher of ours looks at: frames alone, or frames beside a good photograph of the same product."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


Moments = tuple[float, ...]


class TeacherSettings(BaseModel):
    """Where the teacher comes from: trained here, taken from a checkpoint, brought along, or a finished ONNX file.

    Attributes:
        network: What to train (the usual case). None written: EfficientNet-Lite0 as it has learned from ImageNet where
            the package with its weights is installed (`beltline[backbones]`), else smp's FPN on resnet18 from noise.
        fit: How to train it; none written: 10 epochs, 16 views at once.
        kinds: Tell the kinds of defect apart: a heatmap for each, trained along, in every student and on every runtime;
            the network then judges by its heatmaps alone, without `whole_frame`.
        input_size: Network input `[height, width]` in pixels, multiples of 32; None: the median frame, rounded.
        device: Where to train; `auto` takes CUDA where it is there.
        weights: A checkpoint of ours (`.safetensors`), or with `factory` a state dict. Nothing is trained then.
        factory: `module:function` that gives the user's own `torch.nn.Module`.
        folder: Where the factory's module is looked for first; relative to line.yaml.
        weights_at: With `factory`: the key or prefix of the weights to take, where the file holds several that fit,
            such as `state_dict_ema`.
        kind: `reference`: it compares each frame with the reference that `data.reference` names; `segment`: it looks at
            frames alone; None: as `data.reference` is there or not. `memory`: learn from good parts alone, see the
            network family `memory`; train then needs no defect. With `onnx`: what its output is, see `output`; pre- and
            post-processing are then put around the file.
        input: With `kind`: the name of the file's input, where it has several.
        output: With `kind`: the name of the file's output. With `factory`: what that module returns, batch first.
            `mask_logit` (None) `[N, 1, h, w]`, `mask_probability` the same after a
            sigmoid; `mask_class_logits` `[N, classes, h, w]`, `mask_class_probabilities` after a softmax;
            `class_logits` `[N, classes]`, or one logit of the defect `[N, 1]` or `[N]`, `class_probabilities` after a
            softmax or sigmoid; `anomaly_map` `[N, 1, h, w]`, larger = stranger.
        output_at: Key, attribute or place of that output where the module returns several.
        good_class: The class of good parts. With one logit or probability, 1 says that it is the good parts'.
        normalisation: What the weights were trained with: `imagenet`, `unit` (pixels 0..1 as they are), `data` (mean
            and deviation of the training frames here). With `factory` or `kind` this, or `mean` and
            `std`, must be given.
        mean: Per channel on the scale 0..1, in the order of `channels`.
        std: Likewise, > 0.
        channels: The order in which that module takes colours: `rgb`, or `bgr` as OpenCV reads them.
        onnx: A finished model that keeps the inspector contract, or with `kind` any model; only graph steps apply to
            it.
        assistant: Steps on the teacher's module; what comes of them teaches the candidates in its place (Mirzadeh et
            al. 2020, arXiv 1902.03393): smaller, so that they are trained sooner. Rows are compared with the teacher.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    network: NetworkSettings = Field(default_factory=usual_teacher, validate_default=True)
    fit: FitSettings = FitSettings(epochs=10, batch=16)
    kinds: bool = False
    input_size: tuple[Edge, Edge] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    weights: Path | None = None
    factory: str | None = Field(default=None, pattern=r"^[\w.]+:\w+$")
    folder: Path = Path()
    weights_at: str | None = None
    output: str | None = None
    kind: OutputKind | TeacherKind | Literal["memory"] | None = None
    input: str | None = None
    output_at: str | int | None = None
    good_class: int = Field(default=0, ge=0, le=10_000)
    normalisation: Literal["imagenet", "unit", "data"] | None = None
    mean: tuple[Share, ...] | None = Field(default=None, min_length=1, max_length=3)
    std: tuple[Share, ...] | None = Field(default=None, min_length=1, max_length=3)
    channels: ChannelOrder = "rgb"
    onnx: Path | None = None
    assistant: tuple[Step, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _memory_is_a_network(cls, written: Any) -> Any:
        """Let `kind: memory` and the network family `memory` mean the same, whichever is written."""
        if not isinstance(written, dict) or "onnx" in written or "factory" in written:
            return written
        network = written.get("network")
        family = network.get("family") if isinstance(network, dict) else None
        if written.get("kind") == _MEMORY and network is None:
            return {**written, "network": {"family": _MEMORY}}
        if written.get("kind") == _MEMORY and family != _MEMORY:
            msg = f"teacher: kind: memory remembers features of a backbone, got the network {family}; drop network"
            raise ValueError(msg)
        return {**written, "kind": _MEMORY} if family == _MEMORY and written.get("kind") is None else written

    @property
    def good_only(self) -> bool:
        """Whether it learns from good parts alone."""
        return self.kind == _MEMORY

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
        self._require_readers()
        return self

    def _require_readers(self) -> None:
        """Refuse keys that nothing reads."""
        fields = type(self).model_fields
        given = {name for name in _SOURCE_KEYS if getattr(self, name) != fields[name].default}
        if self.good_only:
            self._require_own_memory()
            given.discard("kind")
        given -= {"kind"} if self.compares is not None else set()
        if self.onnx is not None and self.compares is not None:
            msg = f"teacher: kind: {self.kind}: a finished ONNX file says itself what it looks at; leave kind out"
            raise ValueError(msg)
        if self.factory is None and self.onnx is None and given:
            msg = f"teacher: {', '.join(sorted(given))} only go with factory or onnx; drop them"
            raise ValueError(msg)
        if self.onnx is not None and self.kind is None and given:
            msg = f"teacher: {', '.join(sorted(given))} with onnx need kind, what its output is: {', '.join(_KINDS)}"
            raise ValueError(msg)
        if self.onnx is not None and (idle := given & {"output_at", "weights_at"}):
            msg = f"teacher: {', '.join(sorted(idle))} only go with factory; name an ONNX file's output as output"
            raise ValueError(msg)
        if self.factory is not None and (idle := given & {"kind", "input"}):
            msg = f"teacher: {', '.join(sorted(idle))} only go with onnx; say what a factory's module returns as output"
            raise ValueError(msg)
        if self.factory is not None and self.output not in (None, *_KINDS):
            msg = f"teacher: output: wanted one of {', '.join(_KINDS)}, got {self.output!r}"
            raise ValueError(msg)

    def _require_own_memory(self) -> None:
        if self.onnx is not None or self.factory is not None:
            msg = f"teacher: kind: {_MEMORY} goes with neither onnx nor factory; drop one of the two"
            raise ValueError(msg)

    @property
    def compares(self) -> bool | None:
        """Whether the teacher compares frames with references; None: it is not said."""
        return self.kind == "reference" if self.kind in get_args(TeacherKind) else None

    @property
    def reading(self) -> OutputSettings:
        """How the output of a factory's module or of an ONNX file is read."""
        kind = self.kind if self.onnx is not None else self.output
        return OutputSettings.model_validate(
            {
                "output": kind or "mask_logit",
                "output_at": self.output_at,
                "good_class": self.good_class,
                "channels": self.channels,
            }
        )

    @model_validator(mode="after")
    def _one_normalisation(self) -> TeacherSettings:
        if (self.mean is None) != (self.std is None) or (self.mean and len(self.mean) != len(self.std or ())):
            msg = f"teacher: mean and std go together, one value per channel, got {self.mean} and {self.std}"
            raise ValueError(msg)
        if self.mean is not None and self.normalisation is not None:
            msg = f"teacher: mean and std, or normalisation: {self.normalisation}; keep one of the two"
            raise ValueError(msg)
        if self.std is not None and min(self.std) <= 0:
            msg = f"teacher: std must be > 0, got {self.std}"
            raise ValueError(msg)
        if (self.factory or (self.onnx and self.kind)) and self.mean is None and self.normalisation is None:
            raise ValueError(_ASK)
        return self

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _scale(cls, written: Any) -> Any:
        values = written if isinstance(written, (list, tuple)) else ()
        if any(isinstance(each, (int, float)) and each > 1 for each in values):
            scaled = [round(each / 255, 5) for each in values]
            msg = f"wanted values on the scale 0..1, got {list(values)}; for pixels 0..255 write {scaled}"
            raise ValueError(msg)
        return written

    def moments(self, measured: tuple[Moments, Moments]) -> tuple[Moments, Moments]:
        """Give mean and deviation per channel of the frame, RGB order, from what is asked for.

        Args:
            measured: Those of the training frames.

        Raises:
            LineFileError: There are more or fewer values than the frames have channels.
        """
        count = len(measured[0])
        if self.mean is not None and self.std is not None:
            if len(self.mean) != count:
                msg = (
                    f"teacher: mean has {len(self.mean)} values, the frames have {count} channels; "
                    f"write data.channels: {len(self.mean)}, or one value per channel"
                )
                raise LineFileError(msg)
            step = -1 if self.channels == "bgr" else 1
            return self.mean[::step], self.std[::step]
        if self.normalisation == "imagenet":
            return _IMAGENET if count == len(_IMAGENET[0]) else _IMAGENET_GREY
        return ((0.0,) * count, (1.0,) * count) if self.normalisation == "unit" else measured

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
