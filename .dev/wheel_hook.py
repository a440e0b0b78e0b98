"""Puts what `import beltline` gives into the wheel, but not into an editable install, which has it from the links here.

A copy of `api.py` in site-packages would come before `.dev` on the path and hide every folder of the checkout.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface):
    """Adds the two files of the package's root to a standard wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files, unless the build is an editable one.

        Args:
            version: `standard` or `editable`.
            build_data: What hatchling hands from hook to builder; `force_include` is extended.
        """
        if version == "standard":
            build_data["force_include"].update({"api.py": "beltline/__init__.py", "py.typed": "beltline/py.typed"})
