"""The verbs about devices: `doctor` (this machine), `devices` (those with a profile), `check` (one model for one)."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import RUNTIMES, Json, Verbose, answered, print_json

if TYPE_CHECKING:
    from ...export.device_check.check import Checked


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

    With --predict: how long a model's network would take on each, by its data sheet alone; never measured.
    """
    with answered(as_json=as_json):
        if predict is not None:
            from ..predicting import predict as predict_times
            from ..predicting import predictions_text

            _notify(predict_times(predict), predictions_text, as_json=as_json, verbose=verbose)
            return
        from ..doctor import devices_text, known_devices

        _notify(known_devices(), devices_text, as_json=as_json, verbose=verbose)


def _notify(facts: dict[str, Any], describe: Callable[..., str], *, as_json: bool, verbose: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo(describe(facts, verbose=verbose))


_REFUSED = 3
_SHOWN_PER_RULE = 3


def check(
    model: Annotated[Path, typer.Argument(metavar="MODEL.ONNX", help="Any ONNX file, Beltline's or another's.")],
    runtime: Annotated[str, typer.Option("--for", metavar="RUNTIME", help=f"One of {RUNTIMES}.")] = "jetpack6.2",
    repair: Annotated[
        Path | None,
        typer.Option("--repair", metavar="FILE", help="Write a repaired copy there first, and check that one."),
    ] = None,
    trtexec: Annotated[
        bool, typer.Option("--trtexec", help="Also give the trtexec command that builds its engine as Beltline would.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Check an ONNX file for a device's TensorRT. Exit 0: it takes the file; 3: it does not, and why."""
    with answered(as_json=as_json):
        from ...export.device_check.check import check_file
        from ...export.device_check.device_runtime import runtime_named

        wanted = runtime_named(runtime)
        if repair is not None:
            typer.echo(_repaired(model, repair), err=True)
        checked = check_file(repair or model, wanted)
        command = _command(repair or model) if trtexec else None
        if as_json:
            print_json({**asdict(checked), **({"trtexec": command} if command else {})})
        else:
            typer.echo("\n".join([*_lines(checked, all_places=verbose), *([command] if command else [])]))
    raise typer.Exit(0 if checked.takes else _REFUSED)


def _repaired(source: Path, target: Path) -> str:
    from ...export.device_check.repair import repair_file

    done = repair_file(source, target)
    again = f"; calibrate again for {', '.join(done.calibrate_again)}" if done.calibrate_again else ""
    return (
        f"{target}: {done.biases} biases made float32, {done.shifted} quantizers moved to int8 exactly, "
        f"{done.coarser} with half of their levels{again}{'; pixels are cast first' if done.pixels else ''}"
    )


def _command(path: Path) -> str:
    """Give the command for a graph of the inspector contract: the sizes of its frames must be known."""
    from ...export.graph_file import open_graph
    from ...export.tensor_rt.freezing import PLAIN, recipe_for
    from ...export.tensor_rt.recipe import trtexec_command

    return shlex.join(trtexec_command(recipe_for(open_graph(path), path, PLAIN), onnx=str(path)))


def _lines(checked: Checked, *, all_places: bool) -> Iterator[str]:
    yield f"{checked.file}: {checked.runtime} {'takes it' if checked.takes else 'does not take it'}"
    types = ", ".join(f"{count} {name}" for name, count in checked.weight_types.items())
    yield f"  quantized weighted layers {checked.quantized} of {checked.weighted} ({types}), opset {checked.opset}"
    yield "  " + ", ".join(f"{name}: {'yes' if takes else 'no'}" for name, takes in checked.taken_by.items())
    for rule in dict.fromkeys(each.rule for each in checked.findings):
        found = [each for each in checked.findings if each.rule == rule]
        yield f"{found[0].level} [{rule}] {found[0].why} {found[0].way_out}"
        shown = found if all_places else found[:_SHOWN_PER_RULE]
        yield from (f"  {each.node}: {each.seen}" for each in shown)
        if len(found) > len(shown):
            yield f"  and {len(found) - len(shown)} more places (-v lists them)"
