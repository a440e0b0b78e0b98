"""Which Jetson Linux (L4T) a device runs, and with that which JetPack."""

from __future__ import annotations

import re
from pathlib import Path

from .kernel_files import text_of

_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_JETPACK = {"35": "JetPack 5", "36": "JetPack 6", "38": "JetPack 7", "39": "JetPack 7"}


def l4t_release(root: Path = Path("/")) -> str | None:
    """Read the release of Jetson Linux, such as `36.4.3`; None: this is no Jetson.

    Args:
        root: Where `etc` is; another folder in tests.
    """
    found = _RELEASE.match(text_of(root / "etc/nv_tegra_release"))
    return f"{found[1]}.{found[2]}" if found else None


def jetpack_of(release: str) -> str:
    """Name the JetPack that a release of Jetson Linux belongs to.

    >>> jetpack_of("36.4.3"), jetpack_of("31.0")
    ('JetPack 6', 'Jetson Linux 31.0')
    """
    return _JETPACK.get(release.partition(".")[0], f"Jetson Linux {release}")
