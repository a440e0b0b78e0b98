"""Keys that came later: left out of what is written down while they hold their defaults.

A stage is found again by a digest of its settings. A key that did not exist when it was made, and that says nothing,
must not make it another stage: what is finished would all be done again.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, SerializerFunctionWrapHandler


def without_idle(model: BaseModel, write: SerializerFunctionWrapHandler, later: tuple[str, ...]) -> dict[str, Any]:
    """Write a model down without those of the `later` keys that hold their defaults; for its wrap serializer."""
    fields = type(model).model_fields
    idle = {name for name in later if getattr(model, name) == fields[name].default}
    return {name: value for name, value in write(model).items() if name not in idle}
