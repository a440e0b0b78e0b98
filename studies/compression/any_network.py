"""What becomes of networks that users bring: pruned, quantized for two runtimes, exported and read back, or refused.

`python -m beltline.studies.compression.any_network --out any_network.md` takes networks of timm, torchvision and
segmentation-models-pytorch and hand-written blocks, untrained, at 64 pixels (128 where an architecture needs them).
Each network goes the way of a user's own: a factory, a checkpoint, `prune: {ratio: 0.3}` without the fine-tuning, the
exporter, `quantize` for OpenVINO and for ONNX Runtime, and the runtime itself. What is found goes to a file of JSON
lines, so that a study that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ...inspection.base.errors import BeltlineError
from ...targets.fingerprint import fingerprint, weight_bits

if TYPE_CHECKING:
    from torch import nn

    from ...compress.checkpoint import Checkpoint

_LONGEST_S = {"prune": 120.0, "run": 300.0}
_POLL_S = 2.0
_FRAMES = 4
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A network of the study.

    Attributes:
        name: `source:name`.
        edge: Height and width of its input.
        output: How its output is read.
        output_at: Key of its output, where it gives several.
        channels: Of its input.
    """

    name: str
    edge: int = 64
    output: str = "class_logits"
    output_at: str | None = None
    channels: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one step of one network.

    Attributes:
        name: Of the network.
        step: `prune` or `run`.
        kind: `works`, `partly` (some layers left out and named), `refused` (one sentence), `traceback` or `hangs`.
        detail: The sentence, or figures.
        seconds: Of processor time.
    """

    name: str
    step: str
    kind: str
    detail: str
    seconds: float


_TIMM = """resnet18 resnet26d resnext26ts seresnext26d_32x4d res2net50_14w_8s regnetx_002 regnety_002 regnetz_005
mobilenetv2_050 mobilenetv3_small_050 mobilenetv3_large_100 mobilenetv4_conv_small_050 mobileone_s0 fastvit_t8
efficientnet_b0 efficientnet_lite0 efficientnetv2_rw_t tf_efficientnetv2_b0 mixnet_s mnasnet_small fbnetc_100
hardcorenas_a ghostnet_050 ghostnetv2_100 lcnet_050 tinynet_e semnasnet_075 spnasnet_100 rexnet_100 dla34
dla46_c densenet121 vgg11_bn hrnet_w18_small ese_vovnet19b_slim cspresnet50 cspdarknet53 darknet53 selecsls42
skresnet18 resnest14d repvgg_a0 repghostnet_050 dpn48b inception_next_atto convnext_atto convnextv2_atto nf_resnet26
nfnet_l0 eca_nfnet_l0 edgenext_xx_small efficientformerv2_s0 efficientvit_b0 efficientvit_m0 mobilevit_xxs
mobilevitv2_050 poolformer_s12 pit_ti_224 levit_128s convmixer_768_32 mambaout_femto starnet_s1 shvit_s1
vit_tiny_patch16_224 deit_tiny_patch16_224 swin_tiny_patch4_window7_224 coat_tiny xcit_nano_12_p16_224
mixer_s32_224 resmlp_12_224 gmlp_ti16_224""".split()  # noqa: SIM905 - reads better than ninety quotes
_TORCHVISION = """resnet18 squeezenet1_1 shufflenet_v2_x0_5 mobilenet_v2 mobilenet_v3_small mnasnet0_5 densenet121
googlenet inception_v3 efficientnet_b0 regnet_y_400mf convnext_tiny swin_t vit_b_16 maxvit_t alexnet vgg11""".split()  # noqa: SIM905
_SEGMENTING = ("fcn_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large")
_SMP = "Unet UnetPlusPlus MAnet Linknet FPN PSPNet PAN DeepLabV3 DeepLabV3Plus UPerNet Segformer".split()  # noqa: SIM905
_PATTERNS = {
    "ConvClassHead": "class_logits",
    "LinearDeclaredFirst": "class_logits",
    **dict.fromkeys(("FrozenEncoder", "WithoutGradients", "NothingToPrune"), "mask_logit"),
}
_AROUND = (
    *("PositionAttention", "WindowAttention", "C2f", "Upsampled", "Multiplied", "Shuffled", "ConvNextBlock"),
    *("InstanceNormed", "TransformerBlock(fused=True)", "TransformerBlock(fused=False)"),
)


def networks() -> tuple[Brought, ...]:
    """List the networks of the study, those of one source spread over the whole list."""
    own = [Brought(name=f"own:{name}", output=output, channels=1) for name, output in _PATTERNS.items()]
    own += [Brought(name=f"own:{name}", output="mask_logit", channels=1) for name in _AROUND]
    smp = [Brought(name=f"smp:{name}", output="mask_logit") for name in _SMP]
    vision = [_sized(f"torchvision:{name}") for name in _TORCHVISION]
    vision += [Brought(name=f"torchvision:{name}", output="mask_class_logits", output_at="out") for name in _SEGMENTING]
    timm = [_sized(f"timm:{name}") for name in _TIMM]
    every = [*own, *smp, *vision, *timm]
    places = {each.name: index / len(part) for part in (own, smp, vision, timm) for index, each in enumerate(part)}
    return tuple(sorted(every, key=lambda each: places[each.name]))


def _sized(name: str) -> Brought:
    return Brought(name=name, edge=224 if "_224" in name or "vit_b_16" in name or "maxvit" in name else 128)


def make(name: str) -> nn.Module:
    """Build an untrained network with two classes, or one map of logits.

    Args:
        name: As `Brought.name`.
    """
    import torch

    torch.manual_seed(_SEED)
    source, _, which = name.partition(":")
    return {"timm": _of_timm, "torchvision": _of_torchvision, "smp": _of_smp, "own": _own}[source](which)


def _of_timm(name: str) -> nn.Module:
    import timm

    made: nn.Module = timm.create_model(name, pretrained=False, num_classes=2)
    return made


def _of_torchvision(name: str) -> nn.Module:
    import torchvision  # type: ignore[import-untyped]

    options: dict[str, Any] = {"weights": None, "num_classes": 2}
    if name in _SEGMENTING:
        options["weights_backbone"] = None
    if name in {"googlenet", "inception_v3"}:
        options |= {"init_weights": False, "aux_logits": False}
    made: nn.Module = torchvision.models.get_model(name, **options)
    return made


def _of_smp(name: str) -> nn.Module:
    import segmentation_models_pytorch as smp

    encoder = "mit_b0" if name == "Segformer" else "resnet18"
    made: nn.Module = smp.create_model(name, encoder, encoder_weights=None, in_channels=3, classes=1)
    return made


def _own(name: str) -> nn.Module:
    from . import patterns

    which, _, option = name.partition("(")
    options = {"fused": "True" in option} if option else {}
    made: nn.Module = getattr(patterns, which)(**options)
    return patterns.Around(made) if name in _AROUND else made


def checkpoint_of(brought: Brought, folder: Path) -> Checkpoint:
    """Bring a network along as a user does: a factory in a file, and what its output means."""
    from ...compress.checkpoint import Checkpoint
    from ...compress.networks.base.families import build_network, normal_network
    from ...compress.networks.base.inspector import Inspector
    from ...inspection.data.frame import FrameSpec

    module = "brought_" + "".join(letter if letter.isalnum() else "_" for letter in brought.name)
    (folder / f"{module}.py").write_text(
        f"from {__name__} import make\n\n\ndef build():\n    return make({brought.name!r})\n", encoding="utf-8"
    )
    described = {"family": "factory", "factory": f"{module}:build", "folder": str(folder), "output": brought.output}
    if brought.output_at is not None:
        described["output_at"] = brought.output_at
    network = normal_network(described)
    frame = FrameSpec(
        height=brought.edge,
        width=brought.edge,
        channels=brought.channels,
        mean=(0.5,) * brought.channels,
        std=(0.25,) * brought.channels,
        frame_height=brought.edge,
        frame_width=brought.edge,
    )
    inspector = Inspector(build_network(network, brought.channels), frame).eval()
    return Checkpoint(network=network, frame=frame, lineage=("untrained",), inspector=inspector)


def prune(brought: Brought, folder: Path) -> tuple[str, str]:
    """Prune a network as `prune: {ratio: 0.3}` does before it trains, and read it back; gives kind and detail."""
    from ...compress.checkpoint import require_reads_back, save_checkpoint
    from ...compress.methods.prune.structured import prune_channels
    from ...compress.methods.prune.width_groups import prunable

    checkpoint = checkpoint_of(brought, folder)
    before = checkpoint.parameters
    found = prunable(checkpoint.inspector, round_to=8)
    prune_channels(checkpoint.inspector, ratio=0.3, round_to=8, found=found)
    require_reads_back(checkpoint, "prune")
    save_checkpoint(folder / "pruned.safetensors", checkpoint)
    counts = f"{before:,} to {checkpoint.parameters:,} parameters, {len(found.groups)} groups"
    return ("partly", f"{counts}; left: {found.sentence()}") if found.left else ("works", counts)


def run(brought: Brought, folder: Path) -> tuple[str, str]:
    """Export a network, pruned where it can be, quantize it for two runtimes and run all; gives kind and detail."""
    import torch

    from ...compress.checkpoint import load_checkpoint, save_checkpoint
    from ...export.to_onnx import export_graph

    path = folder / "pruned.safetensors"
    try:
        prune(brought, folder)
    except BeltlineError:
        save_checkpoint(path, checkpoint_of(brought, folder))
    graph = export_graph(path, folder)
    frames = _frames(brought)
    inspector = load_checkpoint(path).inspector
    with torch.no_grad():
        wanted = np.array([float(inspector(torch.from_numpy(frame))[0]) for frame in frames])
    exported = _scores("onnx_runtime", graph.path, frames, folder)
    figures = [f"export {np.abs(exported - wanted).max():.1g}"]
    figures += [_int8(backend, graph.path, frames, exported, folder) for backend in ("open_vino", "onnx_runtime")]
    refused = any(":" in figure for figure in figures)
    return ("partly" if refused else "works"), ", ".join(figures)


def _int8(backend: str, path: Path, frames: list[Any], exported: Any, folder: Path) -> str:
    try:
        return f"{backend} int8 {_int8_shift(backend, path, frames, exported, folder):.2g}"
    except BeltlineError as error:
        return f"{backend}: {error}"


def _int8_shift(backend: str, path: Path, frames: list[Any], exported: Any, folder: Path) -> float:
    """Quantize for a backend, run there, and give the mean shift of the logit."""
    from ...compress.methods.quantize import METHOD
    from ...compress.methods.quantize.settings import QuantizeStep
    from ...compress.methods.quantize.shifts import logit_shift
    from ...compress.recipe import GraphContext

    target = folder / f"{backend}.onnx"
    context = GraphContext(
        target_file=target,
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend=backend,
        progress=lambda *_: None,
        weight_bits=weight_bits(fingerprint(())),
    )
    METHOD.apply(path, QuantizeStep(), context)
    return logit_shift(_scores(backend, target, frames, folder), exported)


def _scores(backend: str, path: Path, frames: list[Any], folder: Path) -> Any:
    from ...export.artifacts import backends
    from ...export.graph_file import open_graph
    from ...export.sessions import open_session
    from ...targets.profile import target_of

    place = folder / f"built-{backend}-{path.stem}"
    place.mkdir()
    artifact = backends()[backend].build(open_graph(path), target_of("local", threads=1), place)
    with open_session(backends()[backend], artifact, threads=1) as session:
        return np.array([session.infer(frame).score for frame in frames])


def _frames(brought: Brought) -> list[Any]:
    random = np.random.default_rng(_SEED)
    shape = (brought.edge, brought.edge, brought.channels)
    return [random.integers(0, 256, shape, dtype=np.uint8) for _ in range(_FRAMES)]


STEPS: dict[str, Callable[[Brought, Path], tuple[str, str]]] = {"prune": prune, "run": run}


def one(brought: Brought, step: str) -> Outcome:
    """Do one step of one network; whatever it raises is an outcome."""
    begin_s = time.process_time()
    try:
        with TemporaryDirectory(prefix="beltline-any-") as folder:
            kind, detail = STEPS[step](brought, Path(folder))
    except BeltlineError as error:
        kind, detail = "refused", str(error)
    except Exception as error:  # noqa: BLE001 - that is what the study looks for
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind, detail = "traceback", f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    first = " ".join(detail.split())[:600]
    return Outcome(name=brought.name, step=step, kind=kind, detail=first, seconds=time.process_time() - begin_s)


def _serve(connection: Connection) -> None:
    """Do what is asked, in a process that can be ended when it hangs."""
    import torch

    torch.set_num_threads(1)
    while (asked := connection.recv()) is not None:
        connection.send(one(*asked))


def outcomes(work: list[tuple[Brought, str]], *, longest_s: dict[str, float]) -> Iterator[Outcome]:
    """Do all work in a process of its own; one that does not answer in time is ended and begun anew.

    Args:
        work: Networks and steps.
        longest_s: Processor time for one, by step.
    """
    context = multiprocessing.get_context("spawn")
    process, ours = None, None
    for brought, step in work:
        if process is None or ours is None or not process.is_alive():
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
        ours.send((brought, step))
        try:
            if _answers(process, ours, longest_s[step]):
                yield ours.recv()
                continue
            detail = f"no answer after {longest_s[step]:.0f} s of processor time"
        except EOFError:
            detail = "the process ended"
        process.kill()
        process.join()
        process = None
        yield Outcome(name=brought.name, step=step, kind="hangs", detail=detail, seconds=longest_s[step])
    if process is not None and ours is not None:
        ours.send(None)
        process.join()


def _answers(process: Any, ours: Connection, longest_s: float) -> bool:
    """Wait for an answer as long as the process may use the processor: others may be using it meanwhile."""
    import psutil

    watched = psutil.Process(process.pid)
    begin_s = sum(watched.cpu_times()[:2])
    while not ours.poll(_POLL_S):
        if sum(watched.cpu_times()[:2]) - begin_s > longest_s:
            return False
    return True


def table(found: list[Outcome]) -> str:
    """Put outcomes into a Markdown table with a line of counts before it."""
    rows: dict[str, dict[str, Outcome]] = {}
    for each in found:
        rows.setdefault(each.name, {})[each.step] = each
    lines = []
    for step in STEPS:
        kinds = [row[step].kind for row in rows.values() if step in row]
        counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        lines.append(f"`{step}`: {len(kinds)} networks{f': {counted}' if kinds else ''}.")
    lines += ["", "| network | prune |  | s | export, quantize, run |  |", "| --- | --- | --- | --- | --- | --- |"]
    for name, row in sorted(rows.items()):
        cells = [name, *_cells(row.get("prune"), seconds=True), *_cells(row.get("run"), seconds=False)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(outcome: Outcome | None, *, seconds: bool) -> list[str]:
    if outcome is None:
        return ["-", "", *([""] if seconds else [])]
    detail = outcome.detail.replace("|", "/")
    return [outcome.kind, detail, *([f"{outcome.seconds:.0f}"] if seconds else [])]


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("any_network.md"), help="the table")
    parser.add_argument("--log", type=Path, default=Path("any_network.jsonl"), help="outcomes; those in it are kept")
    parser.add_argument("--minutes", type=float, default=30.0, help="stop after so long")
    parser.add_argument("--only", default="", help="only networks whose name has this pattern")
    options = parser.parse_args()
    kept = options.log.read_text(encoding="utf-8").splitlines() if options.log.exists() else []
    found = [Outcome(**json.loads(line)) for line in kept]
    done = {(each.name, each.step) for each in found}
    chosen = [each for each in networks() if re.search(options.only, each.name)]
    work = [(each, step) for each in chosen for step in STEPS if (each.name, step) not in done]
    until_s = time.monotonic() + 60 * options.minutes
    with options.log.open("a", encoding="utf-8") as log:
        for outcome in outcomes(work, longest_s=_LONGEST_S):
            found.append(outcome)
            log.write(json.dumps(asdict(outcome)) + "\n")
            log.flush()
            sys.stdout.write(f"{outcome.name} {outcome.step}: {outcome.kind} {outcome.seconds:.0f} s\n")
            sys.stdout.flush()
            if time.monotonic() > until_s:
                break
    options.out.write_text(table(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
