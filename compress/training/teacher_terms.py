"""What a user may write about the teacher's terms: their weights, feature maps, and how the weights change."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

Term = Literal["score", "heatmap", "features"]
_NO_CLASSES = (
    "dkd (arXiv 2203.08679) needs more than two classes, an inspector has good and defective: its part between the "
    "other classes is then 0 and its part of the target class is the score term; write score: <alpha * temperature>"
)


class FeatureTerm(BaseModel):
    """The student's feature maps, through 1 x 1 convolutions that are trained along and dropped, against the teacher's.

    Attributes:
        weight: Beside the labels (weight 1).
        at: `last`: the map that the logits are made of; `encoder`: the last map at each stride from 4 to 32 that both
            networks have on their way down; `all`: these and the last.
        match: `channels`: each channel as a distribution over the frame (CWD, arXiv 2011.13256); `values`: the squared
            difference, in mean squares of the teacher's map (FitNets, arXiv 1412.6550).
        temperature: Softens the distributions of `channels`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    weight: float = Field(default=1.0, gt=0, le=10_000)
    at: Literal["last", "encoder", "all"] = "all"
    match: Literal["channels", "values"] = "channels"
    temperature: float = Field(default=4.0, gt=0, le=100)


class Ramp(BaseModel):
    """A weight that changes along a straight line while training goes on, and is level before and after it.

    Attributes:
        start: Multiple of the weight before the line.
        end: Multiple of the weight after it.
        since: Share of the planned epochs after which the line begins.
        until: Share of the planned epochs at which it ends, more than `since`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: float = Field(default=0.0, ge=0, le=1000)
    end: float = Field(default=1.0, ge=0, le=1000)
    since: float = Field(default=0.0, ge=0, lt=1)
    until: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _has_length(self) -> Ramp:
        if self.until <= self.since:
            msg = f"wanted until after since, got {self.since:g} to {self.until:g}; swap them"
            raise ValueError(msg)
        return self

    def at(self, done: float) -> float:
        """Give the multiple when the share `done` of the training lies behind.

        >>> [Ramp(start=0, end=1, since=0.2, until=0.6).at(done) for done in (0.1, 0.4, 0.9)]
        [0.0, 0.5, 1.0]
        """
        share = (done - self.since) / (self.until - self.since)
        return round(self.start + (self.end - self.start) * min(1.0, max(0.0, share)), 12)


class Ramps(BaseModel):
    """How the weights of the teacher's terms change; a term without a ramp keeps its weight.

    Attributes:
        score: Of the score term.
        heatmap: Of the heatmap term.
        features: Of the feature term.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    score: Ramp | None = None
    heatmap: Ramp | None = None
    features: Ramp | None = None

    def multiple(self, term: Term, done: float) -> float:
        """Give what a term's weight is multiplied by when the share `done` of the training lies behind.

        >>> Ramps(features=Ramp(start=1, end=0)).multiple("features", 0.25), Ramps().multiple("score", 0.25)
        (0.75, 1.0)
        """
        ramp: Ramp | None = getattr(self, term)
        return 1.0 if ramp is None else ramp.at(done)


class DistillWeights(BaseModel):
    """How much the teacher's word and the labels count.

    Attributes:
        labels: Of the labels themselves; 0: the teacher alone is learned from.
        logits: Of the squared difference of heatmap and score in logits (J. Ba, R. Caruana, arXiv 1312.6184): keeps
            the order of frames that are all sure to be good, which a memory of good parts tells apart.
        score: Of the softened score (Hinton et al. 2015, arXiv 1503.02531).
        heatmap: Of the softened heatmap: cell by cell, and as a distribution over the frame (CWD, arXiv 2011.13256).
        temperature: Softens both; 1 = as they are.
        features: Of the feature maps; None: they are not compared.
        ramps: How these weights change while training goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    labels: float = Field(default=1.0, ge=0)
    logits: float = Field(default=0.0, ge=0)
    score: float = Field(default=1.0, ge=0)
    heatmap: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=2.0, gt=0, le=20)
    features: FeatureTerm | None = None
    ramps: Ramps = Ramps()

    @property
    def silent(self) -> bool:
        """Whether the teacher has nothing to say."""
        return self.score == self.heatmap == self.logits == 0 and self.features is None

    @model_validator(mode="after")
    def _teaches_something(self) -> DistillWeights:
        if self.silent and self.labels == 0:
            msg = "labels and all of the teacher's terms have weight 0: nothing would be learned; give one a weight"
            raise ValueError(msg)
        return self

    @model_validator(mode="before")
    @classmethod
    def _refuse_classes(cls, written: Any) -> Any:
        if isinstance(written, dict) and "dkd" in written:
            raise ValueError(_NO_CLASSES)
        return written
