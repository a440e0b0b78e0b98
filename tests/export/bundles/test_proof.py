"""Golden frames on the real runtime, and what is said of a machine that is another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from beltline.compress.methods.quantize import METHOD, QuantizeStep
from beltline.compress.methods.quantize.shifts import scores_on
from beltline.export.artifacts import backends
from beltline.export.bundles.fitness import cautions_for, require_architecture
from beltline.export.bundles.golden import golden_of
from beltline.export.bundles.manifest import Manifest
from beltline.export.bundles.proof import prove_models
from beltline.export.bundles.reading import Unpacked, open_bundle
from beltline.export.bundles.writing import BundleParts, write_bundle
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.inspection.base.errors import BundleError, MissingPartError, ParityError
from beltline.targets.fingerprint import fingerprint, weight_bits
from frames_judge import TARGET, context_of


def unpacked(parts: BundleParts, folder: Path) -> Unpacked:
    write_bundle(folder / "a.beltline", parts, key=None)
    (folder / "there").mkdir()
    with open_bundle(folder / "a.beltline") as bundle:
        return bundle.unpack(folder / "there")


def manifest_of(parts: BundleParts, folder: Path) -> Manifest:
    return write_bundle(folder / "a.beltline", parts, key=None)


def test_every_golden_decision_holds_where_it_was_made(bundle: Any, tmp_path: Path) -> None:
    (proven,) = prove_models(unpacked(bundle.parts, tmp_path), threads=1)
    assert (proven.row, proven.backend, proven.frames, proven.max_abs) == ("tiny", "onnx_runtime", 12, 0.0)


def test_one_flipped_decision_refuses_the_bundle(bundle: Any, tmp_path: Path) -> None:
    """As a runtime would flip it that computes something else: the frame's score lies on the other side."""
    golden = bundle.parts.golden
    scores = list(golden.scores["onnx_runtime"])
    threshold = bundle.parts.models[0].threshold
    scores[3] = float(scores[3] < threshold)
    flipped = golden_of(golden.frames, {"onnx_runtime": scores}, {"onnx_runtime": threshold})
    with pytest.raises(ParityError, match=r"1 flipped of 12 golden frames \(first golden/003\.pgm") as caught:
        prove_models(unpacked(replace(bundle.parts, golden=flipped), tmp_path), threads=1)
    assert caught.value.exit_code == 3


@pytest.mark.skipif(weight_bits(fingerprint(())) == 8, reason="no sum of this processor overflows")
@pytest.mark.parametrize("backend", ["onnx_runtime", "open_vino"])
def test_int8_made_for_vnni_is_refused_on_a_processor_without(
    backend: str, tiny_graph: Graph, frames: list[Frame], bundle: Any, tmp_path: Path
) -> None:
    """Its golden scores are those of exact sums, as a processor with VNNI gives them."""
    context = replace(context_of(frames, tmp_path / "int8.onnx", backend=backend), weight_bits=8)
    METHOD.apply(tiny_graph.path, QuantizeStep(scheme="onnx_runtime"), context)
    (tmp_path / "built").mkdir()
    artifact = backends()[backend].build(open_graph(context.target_file), TARGET, tmp_path / "built")
    exact = scores_on(onnx.load(context.target_file), [{"frame": frame} for frame in frames]).tolist()
    threshold = sum(sorted(exact)[5:7]) / 2
    golden = golden_of(bundle.parts.golden.frames, {backend: exact}, {backend: threshold})
    model = replace(bundle.parts.models[0], artifact=artifact, threshold=threshold)
    parts = replace(bundle.parts, golden=golden, models=(model,))
    with pytest.raises(ParityError, match=r"flipped of 12 golden frames .*no VNNI, .*reduce_range: true") as caught:
        prove_models(unpacked(parts, tmp_path), threads=1)
    assert caught.value.exit_code == 3


def test_a_model_that_the_runtime_does_not_take_is_bad_input(bundle: Any, tmp_path: Path) -> None:
    there = unpacked(bundle.parts, tmp_path)
    (there.folder / there.manifest.models[0].path).write_bytes(b"changed after it was checked")
    with pytest.raises(BundleError, match="does not run it on the golden frames"):
        prove_models(there, threads=1)


def test_a_runtime_that_is_not_here_is_named(bundle: Any, tmp_path: Path) -> None:
    there = unpacked(bundle.parts, tmp_path)
    model = there.manifest.models[0].model_copy(update={"backend": "abacus"})
    with pytest.raises(MissingPartError, match="no backend abacus"):
        prove_models(replace(there, manifest=there.manifest.model_copy(update={"models": (model,)})), threads=1)


def test_another_architecture_is_refused_unless_wished_for(bundle: Any, tmp_path: Path) -> None:
    device = bundle.parts.device.model_copy(update={"architecture": "aarch64", "cpu": "Cortex-A78AE"})
    manifest = manifest_of(replace(bundle.parts, device=device), tmp_path)
    with pytest.raises(BundleError, match=r"wanted a machine with aarch64.*--other-device"):
        require_architecture(manifest, fingerprint(()) | {"architecture": "x86_64"})
    assert any("no time in the report holds here" in each for each in cautions_for(manifest, machine()))


def machine(**changes: Any) -> dict[str, Any]:
    return {"architecture": "x86_64", "cpu": "A", "isa": ["avx2"], "versions": {"onnxruntime": "2.0"}, **changes}


def test_what_this_processor_lacks_is_named(bundle: Any, tmp_path: Path) -> None:
    model = replace(bundle.parts.models[0], relies_on=("avx512_vnni",), runtime={"onnxruntime": "1.31"})
    device = bundle.parts.device.model_copy(update={"architecture": "x86_64", "cpu": "A"})
    manifest = manifest_of(replace(bundle.parts, models=(model,), device=device), tmp_path)
    slow, newer = cautions_for(manifest, machine())
    assert "avx512_vnni, which this processor lacks" in slow
    assert "onnxruntime 1.31, here is 2.0" in newer
    assert cautions_for(manifest, machine(isa=["avx512_vnni"], versions={"onnxruntime": "1.40"})) == ()
    (other,) = cautions_for(manifest, machine(cpu="B", isa=["avx512_vnni"], versions={}))
    assert "times differ" in other


def test_what_the_maker_had_to_say_comes_first(bundle: Any, tmp_path: Path) -> None:
    manifest = manifest_of(replace(bundle.parts, cautions=("it misses",)), tmp_path)
    assert cautions_for(manifest, machine())[0] == "it misses"
