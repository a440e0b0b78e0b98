"""A target: the device that a model must run on, as the pipeline addresses it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..inspection.base.errors import LineFileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where artifacts are built for and measured.

    Attributes:
        name: `local`, a device profile's name, or what line.yaml calls a device over ssh.
        threads: Threads an engine may use, >= 1.
        cpus: Logical CPUs that measuring processes are pinned to; `len(cpus) >= threads`.
        differs: How the device that was met is not the one that its profile describes; empty: as described.
    """

    name: str
    threads: int
    cpus: tuple[int, ...]
    differs: tuple[str, ...] = ()

    def with_threads(self, threads: int | None) -> Target:
        """Give it with so many engine threads, on as many of its CPUs; None: as it is.

        Raises:
            LineFileError: It has not so many.

        >>> Target(name="local", threads=2, cpus=(0, 1)).with_threads(1).cpus
        (0,)
        """
        if threads is None or threads == self.threads:
            return self
        if not 1 <= threads <= len(self.cpus):
            msg = (
                f"threads of a recipe must be in [1, {len(self.cpus)}] (those of {self.name}), got {threads}; "
                "raise `threads` of the line or lower the recipe's"
            )
            raise LineFileError(msg)
        return replace(self, threads=threads, cpus=self.cpus[:threads])
