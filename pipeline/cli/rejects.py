"""The verb `rejects`: look at what a station rejected, say what it shows, and make a data set of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, answered, print_json

if TYPE_CHECKING:
    from ...station.watching.labelling import Kept

_LABELLING = re.compile(r"(\d{1,9})=(.+)")


def rejects(
    ring: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that the station keeps rejected frames in.")],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="N=LABEL", help="Frame N shows this: `good`, or a kind of defect; repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Add the labelled frames to this data set (labels.csv)."),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option("--coco", metavar="DIR", help="Write all frames with what was found on them as COCO, to label."),
    ] = None,
    rest_as: Annotated[
        str | None, typer.Option("--rest-as", metavar="LABEL", help="Export the frames nobody has labelled as this.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the frames that a station rejected. With --label: say what they show; with --output, --coco: export them."""
    with answered(as_json=as_json):
        from ...station.watching.coco import export_coco
        from ...station.watching.labelling import export_labelled, kept_frames, set_label

        if rest_as is not None and output is None:
            msg = "--rest-as labels what is exported: add --output DIR"
            raise typer.BadParameter(msg)
        for number, named in [_labelling(each) for each in label or []]:
            set_label(ring, number, named)
        facts: dict[str, Any] = {"ring": str(ring), "frames": [_facts(each) for each in kept_frames(ring)]}
        lines = [_describe(each) for each in facts["frames"]] or [f"{ring}: no rejected frames"]
        if output is not None:
            exported, left_out = export_labelled(ring, output, rest_as=rest_as)
            facts |= {"output": str(output), "exported": exported, "left_out": left_out}
            lines = [f"{output}: {exported} frames of this ring, {left_out} left out since nobody has labelled them"]
        if coco is not None:
            frames, findings = export_coco(ring, coco)
            facts |= {"coco": str(coco), "frames_written": frames, "findings_written": findings}
            lines.append(f"{coco}: {frames} frames with {findings} findings, as COCO")
        if as_json:
            print_json(facts)
        else:
            typer.echo("\n".join(lines))


def _labelling(text: str) -> tuple[int, str]:
    found = _LABELLING.fullmatch(text)
    if found is None:
        msg = f"--label wants a frame's number and what it shows, such as 123=scratch; got {text!r}"
        raise typer.BadParameter(msg)
    return int(found[1]), found[2]


def _facts(kept: Kept) -> dict[str, Any]:
    from ...station.outcomes import moment_of

    shown = {name: kept.facts.get(name) for name in ("name", "source", "standing", "score", "threshold", "bundle")}
    decided = moment_of(kept.facts["unix_ns"])
    return {"number": kept.number, "label": kept.label, "decided": decided, "folder": str(kept.folder), **shown}


def _describe(facts: dict[str, Any]) -> str:
    score = "no score" if facts["score"] is None else f"score {facts['score']:.4f} (cut at {facts['threshold']:.4f})"
    named = f", {facts['name']}" if facts["name"] else ""
    label = facts["label"] or "not labelled"
    return f"{facts['number']:>9}  {facts['decided'][:19]}  {facts['standing']}, {score}{named}  [{label}]"
