"""How a network is trained: what a user may write under a teacher or a step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Edge = Annotated[int, Field(ge=32, le=4096, multiple_of=32)]
"""Height or width of a network's input, in pixels."""


Crop = Annotated[int, Field(ge=32, le=2048, multiple_of=32)]


class AugmentationSettings(BaseModel):
    """How training views are cut from frames.

    Attributes:
        crop: Edge of the square view in network-input pixels, a multiple of 32; `auto`: about four times the usual
            defect, 128 to 256, whole frames where they are hardly larger; None: whole frames. Crops around masks show
            small defects at full resolution and cost less. Defective images without a mask are then shown
            in whole frames only; where most have none, whole frames are all that is shown.
        whole: Share of the steps that show whole frames where `crop` is set: what a crop cannot tell, such as a shade
            that is uneven over the part, is learned there.
        symmetries: `all` eight of the square, `mirror` (left-right, up-down), or `none`.
        zoom: Views are scaled by 1/zoom to zoom, at random.
        aspect: And stretched by 1/aspect to aspect.
        rotation_deg: And turned by up to this many degrees.
        lighting: Strength of gain, offset, gamma, shading, blur and noise, 0 (none) to 1 (strong: dark
            frames turn black or all noise).
        invert: Share of views shown with light and dark changed about, so that a design also shows as its opposite.
            They say where defects are, and nothing of their kinds, which may be each other's opposite.
        synthetic_defects: Share of the defective views that show a good frame with a made-up defect instead: a stroke
            filled with what stands elsewhere in it. For few defects, or designs that the photographs do not show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    crop: Crop | Literal["auto"] | None = "auto"
    whole: float = Field(default=0.3, ge=0, le=1)
    symmetries: Literal["all", "mirror", "none"] = "all"
    zoom: float = Field(default=1.2, ge=1, le=3)
    aspect: float = Field(default=1.1, ge=1, le=2)
    rotation_deg: float = Field(default=5, ge=0, le=180)
    lighting: float = Field(default=0.5, ge=0, le=1)
    invert: float = Field(default=0, ge=0, le=1)
    synthetic_defects: float = Field(default=0, ge=0, le=1)


class BackboneFit(BaseModel):
    """How the part of a network is trained that has learned elsewhere; read where `pretrained` weights are its first.

    Attributes:
        rate: Its learning rate, as a share of `learning_rate`; 0: it stays as it is.
        frozen_share: Share of the steps, the first ones, in which it stays as it is, until the rest has found its feet
            (head first, then all: Kumar et al. 2022, arXiv 2202.10054).
        batch_norm: `frozen`: means and deviations stay those that were learned elsewhere, which small batches and small
            sets do not disturb; `trained`: they follow the batches.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    rate: float = Field(default=0.1, ge=0, le=1)
    frozen_share: float = Field(default=0.15, ge=0, lt=1)
    batch_norm: Literal["frozen", "trained"] = "frozen"


class FitSettings(BaseModel):
    """How long and how fast to train.

    Attributes:
        epochs: One epoch shows `samples_per_epoch` views, half of them defective.
        samples_per_epoch: None: as many as there are training images.
        batch: Views per step.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: AdamW's.
        patience: Stop after so many epochs without a better one on val; the best epoch's weights are kept.
        augmentation: How views are cut and varied.
        backbone: How a pretrained backbone is trained.
        ema: Epochs are scored and kept with averaged weights (EMA, Polyak and Juditsky 1992), which keep this share of
            themselves in each step, less in the first ones; 0: the weights as they are.
        stop_at_overkill: An epoch is better if fewer defects escape on val when the threshold rejects this share of its
            good parts, AUROC where as many do; None: by AUROC alone.
        processes: Of this machine that train together, each with its share of `batch`: one for each GPU; on CPUs they
            share the cores. Of a teacher's training only. The result does not depend on it, except for rounding.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    epochs: int = Field(default=20, ge=1, le=10_000)
    samples_per_epoch: int | None = Field(default=None, ge=1)
    batch: int = Field(default=32, ge=2, le=4096)
    learning_rate: float = Field(default=0.002, gt=0, le=1)
    weight_decay: float = Field(default=0.02, ge=0, le=1)
    patience: int = Field(default=12, ge=1)
    augmentation: AugmentationSettings = AugmentationSettings()
    backbone: BackboneFit = BackboneFit()
    ema: float = Field(default=0.998, ge=0, lt=1)
    stop_at_overkill: float | None = Field(default=None, gt=0, lt=1)
    processes: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def _every_process_has_its_share(self) -> FitSettings:
        if self.batch % self.processes or self.batch // self.processes < 2:
            msg = f"processes: {self.batch} views at once cannot be shared by {self.processes}, two or more each"
            raise ValueError(msg)
        return self

    def steps_of(self, images: int) -> int:
        """Count the steps of one epoch over so many training images."""
        return max(1, (self.samples_per_epoch or images) // self.batch)


def _in_one_process(fit: FitSettings) -> FitSettings:
    if fit.processes > 1:
        msg = f"processes: {fit.processes}: only a teacher is trained in several processes; drop it from this step"
        raise ValueError(msg)
    return fit


StepFit = Annotated[FitSettings, AfterValidator(_in_one_process)]
"""How a step of a recipe trains."""
