"""Small networks that each hold one pattern of what users bring: float32 `[N, 1, h, w]` -> logits or class logits."""

# ruff: noqa: D102 - every forward takes and gives what the module says

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def block(inputs: int, outputs: int, stride: int = 1, *, groups: int = 1) -> nn.Sequential:
    """Make a 3 x 3 convolution with its norm and ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Around(nn.Module):
    """A stem, the pattern on `[N, 32, h / 4, w / 4]`, and a logit map."""

    def __init__(self, pattern: nn.Module, channels: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(1, 16, 2), block(16, 32, 2))
        self.pattern = pattern
        self.end = nn.Sequential(block(channels, 16), nn.Conv2d(16, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.end(self.pattern(self.stem(pixels)))
        return found


class ConvClassHead(nn.Module):
    """SqueezeNet's ending: a convolution gives the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(block(1, 16, 2), block(16, 32, 2))
        self.classifier = nn.Conv2d(32, 2, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.classifier(self.body(pixels)), 1).flatten(1)


class LinearDeclaredFirst(nn.Module):
    """The head is declared before a linear layer inside."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 2)
        self.body = nn.Sequential(block(1, 16, 2), block(16, 32, 2))
        self.hidden = nn.Linear(32, 64)

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.head(functional.relu(self.hidden(self.body(pixels).mean(dim=(2, 3)))))
        return found


class PositionAttention(nn.Module):
    """smp MAnet's PAB: products of flattened maps."""

    def __init__(self) -> None:
        super().__init__()
        self.top, self.center = nn.Conv2d(32, 16, 1), nn.Conv2d(32, 16, 1)
        self.bottom, self.out = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, h, w = x.shape
        top, center = self.top(x).flatten(2), self.center(x).flatten(2).transpose(1, 2)
        bottom = self.bottom(x).flatten(2).transpose(1, 2)
        weights = torch.matmul(center, top).view(n, -1).softmax(dim=1).view(n, h * w, h * w)
        found: Tensor = self.out(x + torch.matmul(weights, bottom).reshape(n, channels, h, w))
        return found


class WindowAttention(nn.Module):
    """Swin's shifted windows with one linear layer for queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(32), nn.Linear(32, 96), nn.Linear(32, 32)
        self.mlp = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = torch.roll(x.permute(0, 2, 3, 1), (-2, -2), (1, 2))
        windows = tokens.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(self.norm(windows)).view(-1, 16, 3, 4, 8).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 16, c)
        windows = windows + self.out(seen)
        windows = windows + self.mlp(windows)
        back = windows.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return torch.roll(back, (2, 2), (1, 2)).permute(0, 3, 1, 2)


class C2f(nn.Module):
    """YOLO's C2f: two halves of one convolution go separate ways."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Conv2d(32, 32, 1), block(16, 16), nn.Conv2d(48, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        halves = list(self.first(x).chunk(2, 1))
        halves.append(self.inner(halves[-1]))
        found: Tensor = self.last(torch.cat(halves, 1))
        return found


class Upsampled(nn.Module):
    """PixelShuffle: channels become pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.after = nn.Conv2d(32, 64, 3, padding=1), block(16, 32)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.after(functional.pixel_shuffle(self.wide(x), 2))
        return found


class Multiplied(nn.Module):
    """A depthwise convolution with two outputs for each input, and a grouped one."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = block(32, 64, groups=32)
        self.grouped, self.last = block(64, 32, groups=4), block(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.grouped(self.depthwise(x)))
        return found


class Shuffled(nn.Module):
    """ShuffleNet v2: half of the channels pass, then both halves are interleaved."""

    def __init__(self) -> None:
        super().__init__()
        self.branch, self.last = nn.Sequential(block(16, 16), block(16, 16)), block(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        kept, turned = x.chunk(2, dim=1)
        joined = torch.cat((kept, self.branch(turned)), dim=1)
        found: Tensor = self.last(joined.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))
        return found


class TransformerBlock(nn.Module):
    """A ViT block on tokens with positions; `fused`: one linear layer for queries, keys and values."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 256, 32) * 0.02)
        self.first, self.second = nn.LayerNorm(32), nn.LayerNorm(32)
        self.heads, self.fused = 4, fused
        if fused:
            self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        else:
            self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self.positions
        seen = self.first(tokens)
        tokens = tokens + (self.attend(seen) if self.fused else self.attention(seen, seen, seen)[0])
        tokens = tokens + self.mlp(self.second(tokens))
        found: Tensor = tokens.transpose(1, 2).reshape(n, c, h, w)
        return found

    def attend(self, x: Tensor) -> Tensor:
        n, count, c = x.shape
        q, k, v = self.qkv(x).reshape(n, count, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        found: Tensor = self.proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, count, c))
        return found


class ConvNextBlock(nn.Module):
    """LayerNorm over channels and a layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(32, 32, 7, padding=3, groups=32), nn.LayerNorm(32)
        self.wide, self.back = nn.Linear(32, 128), nn.Linear(128, 32)
        self.gamma = nn.Parameter(torch.full((32,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        inside = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        inside = self.gamma * self.back(functional.gelu(self.wide(inside)))
        found: Tensor = x + inside.permute(0, 3, 1, 2)
        return found


class InstanceNormed(nn.Module):
    """Convolutions with affine instance norms."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(32, 48, 3, padding=1), nn.InstanceNorm2d(48, affine=True), nn.ReLU())
        self.last = block(48, 32)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.body(x))
        return found


class FrozenEncoder(nn.Module):
    """The encoder's parameters are frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(block(1, 16, 2), block(16, 32, 2)).requires_grad_(requires_grad=False)
        self.decoder = nn.Sequential(block(32, 32), nn.Conv2d(32, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.decoder(self.encoder(pixels))
        return found


class WithoutGradients(FrozenEncoder):
    """The encoder runs under no_grad."""

    def forward(self, pixels: Tensor) -> Tensor:
        with torch.no_grad():
            seen = self.encoder(pixels)
        found: Tensor = self.decoder(seen)
        return found


class NothingToPrune(nn.Module):
    """One convolution, which gives the output."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(1, 1, 3, 4, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.only(pixels)
        return found
