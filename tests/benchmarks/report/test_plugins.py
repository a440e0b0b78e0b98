"""A gate and a section are one file each: what is there keeps its contract, and another's needs no edit here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from beltline.benchmarks.proof.gate import Gate
from beltline.benchmarks.proof.verdict import all_gates
from beltline.benchmarks.report.finished import FinishedReport, formats
from beltline.benchmarks.report.page import Section
from beltline.benchmarks.report.reading import checked_report
from beltline.benchmarks.report.render import sections
from beltline.pipeline.line.line_file import AllGates, line_schema
from pydantic import ValidationError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("gate", all_gates().values(), ids=all_gates())
class TestEveryGate:
    def test_its_settings_are_a_key_of_line_yaml_and_refuse_unknown_ones(self, gate: Gate) -> None:
        assert gate.name.isidentifier()
        assert gate.name in AllGates.model_fields
        assert gate.settings_type.model_config["frozen"]
        assert gate.settings_type.__doc__
        with pytest.raises(ValidationError):
            gate.settings_type.model_validate({"no such key": 1})
        keys = line_schema()["$defs"][gate.settings_type.__name__]["properties"]
        assert all("description" in each for each in keys.values())

    def test_it_is_on_as_its_settings_say_by_default(self, gate: Gate) -> None:
        assert gate.default is None or isinstance(gate.default, gate.settings_type)
        assert getattr(AllGates(), gate.name) == gate.default

    def test_every_format_shows_its_finding(self, gate: Gate, report: dict[str, Any], tmp_path: Path) -> None:
        finding = report["rows"][3]["gates"][gate.name]
        for outcome in ("fits", "inconclusive", "misses"):
            finding.update(outcome=outcome, seen="seen in the test", next_step="Do something.")
            finished = FinishedReport(path=tmp_path / "report.json", content=report, report=checked_report(report))
            for name, form in formats().items():
                text = form.render(finished)
                assert gate.name in text or finding["title"] in text, name
                assert name == "csv" or outcome == "fits" or "seen in the test" in text, name

    def test_a_finding_says_what_was_seen_what_it_proves_and_what_to_do(
        self, gate: Gate, report: dict[str, Any], rejudged: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        for row in report["rows"]:
            row["latency_ms"].update(frames=900, misses=631, miss_upper=0.74)
            row["quality"]["overkill"] = {"count": 400, "of": 2112, "upper": 0.21}
            row["quality"]["escape"] = {"count": 444, "of": 888, "upper": 0.53}
        finding = rejudged(report)["rows"][3]["gates"][gate.name]
        assert finding["outcome"] == "misses"
        assert all(finding[key] for key in ("title", "lead", "seen", "proven", "next_step"))
        assert not finding["seen"].endswith(".")
        assert not finding["proven"].endswith(".")
        seen, bound, limit = finding["scale"]
        assert seen <= bound
        assert bound > limit


@pytest.mark.parametrize("section", sections(), ids=[each.name for each in sections()])
class TestEverySection:
    def test_it_has_a_place_of_its_own(self, section: Section) -> None:
        assert [each.order for each in sections()].count(section.order) == 1

    def test_it_is_one_closed_section_of_the_page(self, section: Section) -> None:
        assert section.html.count("<section") == section.html.count("</section>") >= 1
        assert "|safe" not in section.html


_PACKAGE = dedent(
    '''
    from pydantic import BaseModel, ConfigDict
    from beltline.benchmarks.proof.gate import Finding, Gate
    from beltline.benchmarks.report.page import Section


    class SizeGate(BaseModel):
        """What a device must store.

        Attributes:
            max_mb: At most so much, in MB.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        max_mb: float


    def judge(evidence, gate):
        size_mb = evidence.size_bytes / 1e6
        fits = size_mb <= gate.max_mb
        return Finding(
            outcome="fits" if fits else "misses", lead="Small enough" if fits else "Too large", title="Fits the flash",
            seen=f"it takes {size_mb:g} MB", proven=f"allowed are {gate.max_mb:g} MB",
            next_step="" if fits else "Prune more.", scale=(size_mb, size_mb, gate.max_mb),
        )


    SIZE = Gate(name="flash_size", settings_type=SizeGate, judge=judge)
    SHIFT = Section(
        name="shift", order=15, show=lambda page: {"who": "<b>night shift</b>"},
        html="<section><h2>Who was there</h2><p>{{ who }}</p></section>", markdown="## Who was there\\n\\n{{ who }}",
    )
    '''
)
_SCRIPT = dedent(
    """
    import json, pickle, sys
    from pathlib import Path
    from beltline.benchmarks.proof.gate import Evidence, Run
    from beltline.benchmarks.proof.miss_rate import Proof
    from beltline.benchmarks.proof.verdict import judge
    from beltline.benchmarks.report.finished import FinishedReport, formats
    from beltline.benchmarks.report.reading import checked_report
    from beltline.inspection.statistics.quality import Quality, Rate
    from beltline.pipeline.line.line_file import line_schema, load_line_file

    folder = Path(sys.argv[1])
    gates = load_line_file(folder / "line.yaml").gates
    assert pickle.loads(pickle.dumps(gates)) == gates
    rate = Rate(count=0, of=1000, upper=0.003)
    proof = Proof(verdict="fits", misses=0, frames=5000, upper=0.001, lower=0.0, frames_needed=0)
    quality = Quality(auroc=1.0, auroc_interval=(1.0, 1.0), threshold=0.5, escape=rate, overkill=rate)
    verdict = judge(Evidence(run=Run(proof=proof, deadline_ms=9.0), quality=quality, size_bytes=7_000_000), gates)
    report = json.loads((folder / "report.json").read_text())
    from dataclasses import asdict
    for row in report["rows"]:
        row["gates"] = {name: {**asdict(each), "scale": list(each.scale)} for name, each in verdict.findings.items()}
    report["gates"] = gates.model_dump(mode="json")
    finished = FinishedReport(path=folder / "r" / "report.json", content=report, report=checked_report(report))
    texts = {name: form.render(finished) for name, form in formats().items()}
    print(json.dumps({"verdict": verdict.verdict, "reasons": verdict.reasons, "texts": texts,
                      "keys": sorted(line_schema()["$defs"]["AllGates"]["properties"])}))
    """
)
_LINE = """
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 105}
data: {root: data}
gates: {flash_size: {max_mb: 5}}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Lay a package with a gate and a section where Python finds it, as an installer would."""
    site = tmp_path / "site"
    facts = site / "flash_gate-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "flash_gate.py").write_text(_PACKAGE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: flash-gate\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[beltline.gates]\nflash_size = flash_gate:SIZE\n[beltline.sections]\nshift = flash_gate:SHIFT\n"
    )
    return site


def _python(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(ROOT / ".dev")])
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_packages_gate_and_section_are_picked_up_everywhere(
    package: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "line.yaml").write_text(_LINE)
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "script.py").write_text(_SCRIPT)
    done = _python(package, str(tmp_path / "script.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "misses"
    assert found["reasons"][0] == "Too large: it takes 7 MB; allowed are 5 MB."
    assert found["keys"] == ["deadline_miss", "escape", "flash_size", "overkill"]
    for name, text in found["texts"].items():
        assert "Fits the flash" in text or "flash_size" in text, name
    assert "gate_flash_size" in found["texts"]["csv"].splitlines()[0]
    assert "missed: it takes 7 MB" in found["texts"]["junit"]
    assert "&lt;b&gt;night shift&lt;/b&gt;" in found["texts"]["html"]
    assert "\\<b\\>night shift" in found["texts"]["md"]
    assert json.loads(found["texts"]["json"])["gates"]["flash_size"] == {"max_mb": 5.0}


def test_a_mistake_in_its_settings_is_named_and_without_the_package_the_key_is_unknown(
    package: Path, tmp_path: Path
) -> None:
    (tmp_path / "line.yaml").write_text(_LINE.replace("max_mb: 5", "max_mb: five"))
    load = "import sys; from beltline.pipeline.line.line_file import load_line_file as l; from pathlib import Path; "
    wrong = _python(package, "-c", f"{load}l(Path({str(tmp_path / 'line.yaml')!r}))")
    assert "gates.flash_size.max_mb: wanted a number, got" in wrong.stderr
    unknown = _python(tmp_path, "-c", f"{load}l(Path({str(tmp_path / 'line.yaml')!r}))")
    assert "gates.flash_size" in unknown.stderr
    assert "LineFileError" in unknown.stderr
