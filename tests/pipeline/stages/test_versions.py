"""What is installed decides what is stale: a whole run is made again from the stage that an upgrade changes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest
from beltline.compress.networks.base.families import network_packages
from beltline.export.artifacts import runtime_packages
from beltline.inspection.base.packages import versions_of
from beltline.inspection.base.plugins import plugins
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import run_job
from beltline.pipeline.stages.stages import journal
from beltline.pipeline.stages.versions import machine_of, runtime_of
from beltline.targets.fingerprint import fingerprint

LINE = """
name: aged
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 4500, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {weights: tiny.safetensors}
recipes:
  - {name: own, backend: onnx_runtime, steps: [acme, {quantize: {frames: 8}}]}
threads: 1
"""

# A method and a backend as another package brings them: the method copies the checkpoint, which keeps the test short.
_ACME = """
import shutil

from beltline.compress.recipe import StepSettings


class Step(StepSettings):
    pass


class Acme:
    name = "acme"
    works_on = "module"
    step_type = Step
    packages = ("acme-core",)

    def missing(self):
        return None

    def apply(self, source, step, context):
        shutil.copyfile(source, context.target_file)


class Engine:
    name = "acme_engine"
    packages = ("acme-core",)

    def missing(self):
        return "acme is not for sale"

    def supports(self, target):
        return False

    def build(self, graph, target, folder):
        raise NotImplementedError

    def load(self, artifact, *, threads):
        raise NotImplementedError


METHOD, BACKEND = Acme(), Engine()
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Give a function that puts a version of a distribution in front of what is installed, as an upgrade does."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, version: str, **files: str) -> None:
        for earlier in site.glob(f"{name.replace('-', '_')}-*"):
            for each in earlier.iterdir():
                each.unlink()
            earlier.rmdir()
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        for file, text in {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}.items():
            (folder / file).write_text(text)
        invalidate_caches()

    (site / "acme_for_beltline.py").write_text(_ACME)
    groups = (
        "[beltline.methods]\nacme = acme_for_beltline:METHOD\n[beltline.backends]\nacme = acme_for_beltline:BACKEND\n"
    )
    put("acme-for-beltline", "1.0", **{"entry_points.txt": groups})
    put("acme-core", "1.0")
    plugins.cache_clear()
    yield put
    plugins.cache_clear()
    sys.modules.pop("acme_for_beltline", None)


def test_an_upgrade_redoes_what_it_made_and_nothing_else(
    install: Install, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    write_synthetic_line(tmp_path / "data", seed=4, parts=30, exposures=1)
    (tmp_path / "tiny.safetensors").write_bytes(tiny_checkpoint.read_bytes())
    (tmp_path / "line.yaml").write_text(LINE)
    line_file = load_line_file(tmp_path / "line.yaml")

    def stages() -> list[str]:
        before = len(journal(tmp_path / "runs" / "aged")) if (tmp_path / "runs" / "aged").exists() else 0
        run_job(line_file, runs=tmp_path / "runs", until="export", console=Console())
        entries = journal(tmp_path / "runs" / "aged")[before:]
        return [entry["stage"] for entry in entries if entry["event"] == "finished"]

    first = stages()
    assert {"acme", "export", "quantize", "build onnx_runtime"} <= set(first)
    assert stages() == []
    inputs = {}
    for path in (tmp_path / "runs" / "aged" / "stages").glob("*/stage.json"):
        manifest = json.loads(path.read_text())
        inputs[manifest["stage"]] = json.dumps(manifest["inputs"])
    assert [name for name, text in inputs.items() if '"versions"' not in text] == ["teacher"], "a file that is copied"
    install("openvino", "9999.1")  # no row of this line runs on it
    install("timm", "9999.1")
    install("torch-pruning", "9999.1")
    assert stages() == []
    install("nncf", "9999.1")
    assert stages() == ["quantize", "build onnx_runtime"]
    install("onnxscript", "9999.1")
    again = stages()
    assert again[:2] == ["export", "quantize"]
    assert "acme" not in again
    install("acme-core", "1.1")
    assert stages()[0] == "acme"
    install("acme-for-beltline", "1.1", **{"entry_points.txt": "[beltline.methods]\nacme = acme_for_beltline:METHOD\n"})
    assert stages()[0] == "acme"
    assert stages() == []


def test_the_packages_of_anothers_backend_stand_in_every_fingerprint(install: Install) -> None:
    assert {"acme-core", "acme-for-beltline", "openvino", "numpy"} <= set(runtime_packages())
    facts = fingerprint(runtime_packages())
    assert (facts["versions"]["acme-core"], facts["versions"]["acme-for-beltline"]) == ("1.0", "1.0")
    install("acme-core", "2.0")
    assert runtime_of("acme_engine")["versions"]["acme-core"] == "2.0"
    assert "acme-core" not in runtime_of("open_vino")["versions"]
    assert "openvino" not in machine_of(facts, "onnx_runtime")["versions"]
    assert machine_of(facts, "open_vino")["versions"].keys() >= {"openvino", "numpy", "beltline"}


def test_a_network_names_what_it_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import timm.layers\nfrom safetensors import torch\nfrom . import other\n")
    own = network_packages({"family": "factory", "factory": "mine:build", "folder": str(tmp_path)})
    assert {"torch", "timm", "safetensors"} <= set(own)
    installed = network_packages(
        {"family": "factory", "factory": "timm.models:resnet18", "folder": str(tmp_path / "no")}
    )
    assert {"torch", "timm"} <= set(installed)
    assert "segmentation-models-pytorch" in network_packages({"family": "smp"})
    assert network_packages({"family": "plain"}) == ("torch",)


def test_what_is_not_installed_has_no_version() -> None:
    assert versions_of(["no-such-thing"]) == {}


@pytest.mark.parametrize("folder", ["export.backends", "compress.methods"])
def test_every_plug_in_names_distributions_that_can_be_looked_up(folder: str) -> None:
    for name, plugin in plugins(folder).items():
        assert plugin.packages, name
        if plugin.missing() is None:
            assert set(versions_of(plugin.packages)) == set(plugin.packages), name
