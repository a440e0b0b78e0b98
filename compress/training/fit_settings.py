"""How a network is trained: what a user may write under a teacher or a step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Edge = Annotated[int, Field(ge=32, le=4096, multiple_of=32)]
"""Height or width of a network's input, in pixels."""


class AugmentationSettings(BaseModel):
    """How training views are cut from frames.

    Attributes:
        crop: Edge of the square view in network-input pixels, a multiple of 32; None: whole frames. Crops around
            masks show small defects at full resolution and cost less. Defective images without a mask are then left
            out; where most have none, whole frames are shown after all.
        symmetries: `all` eight of the square, `mirror` (left-right, up-down), or `none`.
        zoom: Views are scaled by 1/zoom to zoom, at random.
        aspect: And stretched by 1/aspect to aspect.
        rotation_deg: And turned by up to this many degrees.
        lighting: Strength of gain, offset, gamma, shading, blur and noise, 0 (none) to 1 (strong: dark
            frames turn black or all noise).
        invert: Share of views shown with light and dark changed about, so that a design also shows as its opposite.
        synthetic_defects: Share of the defective views that show a good frame with a made-up defect instead: a stroke
            filled with what stands elsewhere in it. For few defects, or designs that the photographs do not show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    crop: int | None = Field(default=None, ge=32, le=2048, multiple_of=32)
    symmetries: Literal["all", "mirror", "none"] = "all"
    zoom: float = Field(default=1.2, ge=1, le=3)
    aspect: float = Field(default=1.1, ge=1, le=2)
    rotation_deg: float = Field(default=5, ge=0, le=180)
    lighting: float = Field(default=0.5, ge=0, le=1)
    invert: float = Field(default=0, ge=0, le=1)
    synthetic_defects: float = Field(default=0, ge=0, le=1)


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
        ema: Epochs are scored and kept with averaged weights (EMA, Polyak and Juditsky 1992), which keep this share of
            themselves in each step, less in the first ones; 0: the weights as they are.
        stop_at_overkill: An epoch is better if fewer defects escape on val when the threshold rejects this share of its
            good parts, AUROC where as many do; None: by AUROC alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    epochs: int = Field(default=20, ge=1, le=10_000)
    samples_per_epoch: int | None = Field(default=None, ge=1)
    batch: int = Field(default=32, ge=2, le=4096)
    learning_rate: float = Field(default=0.002, gt=0, le=1)
    weight_decay: float = Field(default=0.02, ge=0, le=1)
    patience: int = Field(default=12, ge=1)
    augmentation: AugmentationSettings = AugmentationSettings()
    ema: float = Field(default=0.998, ge=0, lt=1)
    stop_at_overkill: float | None = Field(default=None, gt=0, lt=1)

    def steps_of(self, images: int) -> int:
        """Count the steps of one epoch over so many training images."""
        return max(1, (self.samples_per_epoch or images) // self.batch)
