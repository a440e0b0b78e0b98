"""station.yaml, checked whole before anything is opened."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from ...station.settings import StationSettings
from ..line.validation_errors import problems_in_values, problems_of, raise_if_any
from ..line.written_paths import absolute
from ..line.yaml_positions import read_file


def load_station_file(path: Path) -> StationSettings:
    """Read and check a station file; relative paths in it are made absolute, starting from its folder.

    Raises:
        LineFileError: Each mistake in one line: file and line, key, what was wanted, what was got, what to do.
    """
    placed = read_file(path, what="station file")
    try:
        checked = StationSettings.model_validate(placed.content)
    except ValidationError as error:
        raise_if_any(problems_of(error, StationSettings), placed)
        raise
    raise_if_any(problems_in_values(placed.content, checked), placed)
    rooted: StationSettings = absolute(checked, path.resolve().parent)
    return rooted


def settings_for(named: Path | None) -> StationSettings:
    """Give the settings that `beltline serve` is to run with.

    Args:
        named: A station file (`*.yaml`, `*.yml`), a bundle file, a folder with installed versions, or None: what this
            user has installed.

    Raises:
        LineFileError: As of `load_station_file`.
    """
    if named is None:
        return StationSettings()
    if named.suffix.lower() in (".yaml", ".yml"):
        return load_station_file(named)
    return StationSettings(bundle=named.expanduser().absolute())
