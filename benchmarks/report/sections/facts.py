"""Line, device, data, model and versions, as (name, value) pairs for the end of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..decision import shown_row
from ..page import Page, Section
from ..schema import Device, Report, Row
from ..wording import count, large, moment, ms, plural, size

Pairs = list[tuple[str, str]]

_HTML = """
<section>
<h2>Facts</h2>
<div class="facts">
{% for sheet in sheets %}
<div><h3>{{ sheet.title }}</h3>
<dl>{% for name, value in sheet.pairs %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
{% for sentence in sheet.sentences %}<p>{{ sentence }}</p>{% endfor %}
</div>
{% endfor %}
</div>
</section>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSheet:
    """A titled list of facts, with sentences below it."""

    title: str
    pairs: Pairs
    sentences: tuple[str, ...] = ()


def fact_sheets(report: Report) -> list[FactSheet]:
    """Give line, devices, data, model, versions and run; empty ones are left out."""
    devices = report.devices or [report.device]
    sheets = [
        FactSheet(title="Line", pairs=_line(report)),
        *(FactSheet(title="Device", pairs=_device(device)) for device in devices),
        FactSheet(title="Data", pairs=_data(report), sentences=tuple(report.data.notes)),
        FactSheet(title="Model shown", pairs=_model(shown_row(report))),
        FactSheet(title="Versions", pairs=[(name, str(version)) for name, version in _versions(report)]),
        FactSheet(title="Run", pairs=_run(report)),
    ]
    return [sheet for sheet in sheets if sheet.pairs]


def _line(report: Report) -> Pairs:
    budget = report.budget
    pairs = [("A frame comes every", ms(budget.period_ms))]
    pairs += [(name, ms(value)) for name, value in budget.fixed_parts_ms.items()]
    return [*pairs, ("Left for the model (deadline)", ms(budget.deadline_ms))]


def _device(device: Device) -> Pairs:
    pairs = [("Name", device.name), ("Processor", device.cpu or "")]
    pairs += [("Instruction sets", ", ".join(device.isa)), ("Threads", str(device.threads or ""))]
    pairs += [(_readable(key), _shown(value)) for key, value in (device.model_extra or {}).items()]
    return [(name, value) for name, value in pairs if value]


def _data(report: Report) -> Pairs:
    data = report.data
    pairs = [("Name", data.name), ("Digest", data.digest)]
    for split, images in data.images.items():
        groups, defective = data.groups.get(split), data.defective.get(split)
        shown = plural(images, "image") + (f" of {plural(groups, 'group')}" if groups else "")
        pairs.append((_readable(split), shown + ("" if defective is None else f", {count(defective)} defective")))
    return pairs


def _model(row: Row) -> Pairs:
    parity = row.parity
    pairs = [
        ("Name", row.name),
        ("Runs on", f"{row.backend}, {row.precision}"),
        ("File", row.artifact or ""),
        ("Size", size(row.size_bytes) if row.size_bytes is not None else ""),
        ("Parameters", large(row.parameters) if row.parameters is not None else ""),
        ("Multiply-adds per frame", large(row.macs) if row.macs is not None else ""),
        ("Threshold", f"{row.quality.threshold:.6g}" if row.quality else ""),
        ("Decisions that changed", _parity(row) if parity else ""),
    ]
    return [(name, value) for name, value in pairs if value]


def _parity(row: Row) -> str:
    parity = row.parity
    if parity is None:
        return ""
    return (
        f"{count(parity.flips)} of {count(parity.frames)} against {parity.against}, scores within {parity.max_abs:.2g}"
    )


def _versions(report: Report) -> list[tuple[str, str]]:
    return [(name, version) for name, version in sorted(report.device.versions.items()) if version]


def _run(report: Report) -> Pairs:
    return [("Started", moment(report.started))] if report.started else []


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, (str, int, float)) for each in value):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        shown = {_readable(key): _shown(each) for key, each in value.items()}
        return ", ".join(f"{key} {each}" for key, each in shown.items() if each)
    return ""


def _readable(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _show(page: Page) -> dict[str, Any]:
    return {"sheets": fact_sheets(page.report)}


SECTION = Section(name="facts", order=130, show=_show, html=_HTML)
