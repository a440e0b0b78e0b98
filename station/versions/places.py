"""Where installed versions lie on a machine.

`versions/<version>/` holds an unpacked bundle, `generations/<number>/` says that a version was put to work (with a link
`bundle` to it), and the link `current` points at one generation. That link alone decides what works: whoever reads
`<root>/current/bundle` sees a whole version, whatever happens meanwhile. (The scheme is that of Nix's profiles.)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The tree below one folder.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def versions(self) -> Path:
        """Unpacked bundles, one folder each."""
        return self.root / "versions"

    @property
    def generations(self) -> Path:
        """What was put to work, by ascending number."""
        return self.root / "generations"

    @property
    def engines(self) -> Path:
        """Engines that were built here from the versions' models, see `export.tensor_rt.engine_store`."""
        return self.root / "engines"

    @property
    def current(self) -> Path:
        """The link that decides what works."""
        return self.root / "current"

    @property
    def trusted_key(self) -> Path:
        """Public key that bundles must be signed with; may not be there."""
        return self.root / "trusted.pub.pem"


def default_root() -> Path:
    """Give the folder that versions are kept in where none is named.

    `/opt/beltline` for root; for others `beltline` in `$XDG_DATA_HOME`, else in `~/.local/share`.
    """
    if os.geteuid() == 0:
        return Path("/opt/beltline")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "beltline"
