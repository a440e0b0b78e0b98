"""One model on several devices, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..page import Page, Section
from ..schema import Report, Row
from ..schema_parts import VerdictWord
from ..table import VERDICT_LABELS
from ..wording import ms, percent

_HTML = """
<section>
<h2>Device by device</h2>
<p class="intro">The same models on each device, typical and slow decisions at line rate.</p>
<table class="rows devices">
<thead><tr><th scope="col">Model</th>{% for name, cpu in devices.devices %}<th scope="col">{{ name }}<small>{{ cpu }}</small></th>{% endfor %}</tr></thead>
<tbody>
{% for model, cells in devices.lines %}
<tr><th scope="row" class="name">{{ model }}</th>
{% for cell in cells %}
<td data-label="{{ devices.devices[loop.index0][0] }}">{% if cell %}<span class="status {{ cell.verdict }}">{{ sign(cell.verdict) }}{{ cell.label }}</span> {{ cell.typical }}<small>{{ cell.slow }}</small><small>{{ cell.late }}</small>{% else %}–{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</section>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDevice:
    """A model on one device; all texts, empty where it was not measured there."""

    verdict: VerdictWord
    label: str
    typical: str = ""
    slow: str = ""
    late: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTable:
    """Models by devices.

    Attributes:
        devices: Name and processor of each, in the report's order.
        lines: A model's name, and what it does on each device; None where it was not tried there.
    """

    devices: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, tuple[OnDevice | None, ...]], ...]


def device_table(report: Report) -> DeviceTable | None:
    """Set the models against the devices; None where there is only one device."""
    if len(report.devices) < 2:
        return None
    models = list(dict.fromkeys(row.model_name for row in report.rows))
    rows = {(row.model_name, report.device_of(row).name): row for row in report.rows}
    return DeviceTable(
        devices=tuple((device.name, device.cpu or "") for device in report.devices),
        lines=tuple((model, tuple(_cell(rows.get((model, each.name))) for each in report.devices)) for model in models),
    )


def _cell(row: Row | None) -> OnDevice | None:
    if row is None:
        return None
    latency = row.latency_ms
    if latency is None:
        return OnDevice(verdict=row.verdict, label=VERDICT_LABELS[row.verdict])
    return OnDevice(
        verdict=row.verdict,
        label=VERDICT_LABELS[row.verdict],
        typical=ms(latency.p50),
        slow=f"1 in {latency.slowest_one_in:,}: {ms(latency.slowest_known)}",
        late=f"late \N{LESS-THAN OR EQUAL TO} {percent(latency.miss_upper)}",
    )


def _show(page: Page) -> dict[str, Any] | None:
    table = device_table(page.report)
    return None if table is None else {"devices": table}


SECTION = Section(name="devices", order=100, show=_show, html=_HTML)
