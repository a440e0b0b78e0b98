"""Families of students in line.yaml, with lists of values where there is a choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from ...compress.networks.base.families import normal_network
from ...inspection.base.plugins import plugins

MOST_CHOICES = 64
"""Values that a list may hold."""


class NetworkChoices(BaseModel):
    """A family of students; each of its keys takes one value or a list of values to choose from.

    Attributes:
        family: A family by name, such as `plain` or `timm`; its own keys stand beside it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    family: str = "plain"

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """What each key may be, in the order written; numbers from small to large."""
        return {name: _ordered(value) for name, value in (self.model_extra or {}).items()}

    @model_validator(mode="after")
    def _each_can_be_built(self) -> NetworkChoices:
        for each in self._each_choice_once():
            normal_network(each)
        if _names_files(self.family):
            msg = f"family {self.family} runs code of your own, which is not searched; write recipes for it"
            raise ValueError(msg)
        return self

    def _each_choice_once(self) -> Iterator[dict[str, Any]]:
        if wrong := [name for name, values in self.choices.items() if not 1 <= len(values) <= MOST_CHOICES]:
            msg = f"{wrong[0]}: wanted 1 to {MOST_CHOICES} values to choose from; write one at least"
            raise ValueError(msg)
        first = {"family": self.family, **{name: values[0] for name, values in self.choices.items()}}
        yield first
        for name, values in self.choices.items():
            yield from ({**first, name: value} for value in values[1:])


def _ordered(value: Any) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    try:
        values = tuple(dict.fromkeys(values))
    except TypeError as error:
        msg = f"wanted plain values to choose from, got {value!r:.80}"
        raise ValueError(msg) from error
    return tuple(sorted(values)) if are_numbers(values) else values


def are_numbers(values: tuple[Any, ...]) -> bool:
    """Whether values have an order: a search then knows which are neighbours."""
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def _names_files(family: str) -> bool:
    settings: type[BaseModel] = plugins("compress.networks", "NETWORK")[family].settings_type
    return any(each.annotation is Path for each in settings.model_fields.values())


USUAL_NETWORKS = tuple(
    NetworkChoices.model_validate(each)
    for each in (
        {"family": "plain", "width": [8, 12, 16, 24, 32], "depth": [1, 2, 3], "stride": [4, 8]},
        {"family": "timm", "backbone": ["mobilenetv3_small_050", "mobilenetv3_small_075"], "width": [16, 24]},
    )
)
"""What is chosen from where line.yaml does not say."""
