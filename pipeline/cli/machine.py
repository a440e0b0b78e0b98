"""The verbs about machines: `doctor` (this one) and `devices` (those with a profile)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Json, Verbose, answered, print_json

Predict = Annotated[
    Path | None,
    typer.Option("--predict", metavar="MODEL.ONNX", help="Predict this model's time on each, from data sheets alone."),
]


def doctor(as_json: Json = False, verbose: Verbose = False) -> None:
    """Say what this machine has and lacks. Runtimes, CPU flags, GPU, power, and how to get what is missing."""
    with answered(as_json=as_json):
        from ..doctor import doctor_text, examine

        _notify(examine(), doctor_text, as_json=as_json, verbose=verbose)


def devices(predict: Predict = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """List the device profiles. `target:` in a line file takes one of these names.

    With --predict: how long a model's network would take on each, as far as data sheets tell; never measured.
    """
    with answered(as_json=as_json):
        if predict is not None:
            from ..predicting import predict as predict_times
            from ..predicting import predictions_text

            _notify(predict_times(predict), predictions_text, as_json=as_json, verbose=verbose)
            return
        from ..doctor import devices_text, known_devices

        _notify(known_devices(), devices_text, as_json=as_json, verbose=verbose)


def _notify(facts: dict[str, Any], words: Callable[..., str], *, as_json: bool, verbose: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo(words(facts, verbose=verbose))
