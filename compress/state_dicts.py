"""Weights from anywhere: tensors are read, code never is, and the prefixes that trainers put before names come off."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inspection.base.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_MAX_BYTES = 4 << 30
_DEEPEST = 4
_TRAINERS_MARKS = ("_orig_mod.", "module.")
"""What `torch.compile` and `DistributedDataParallel` put into names, at whatever place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundState:
    """Weights that fit a network.

    Attributes:
        tensors: Under the network's own names.
        notes: What of the file was left out, one sentence each.
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a weights file that is one plain set of named tensors: safetensors, or a state dict of torch.

    Raises:
        WeightsError: It cannot be read, is larger than 4 GiB, damaged, or holds anything but tensors.
    """
    return dict(read_state_dicts(path).get("", {}))


def read_state_dicts(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read all sets of named tensors of a weights file, by the key that each stands under (`""`: the file itself).

    Args:
        path: `.safetensors`, or by any other name what `torch.save` wrote: a state dict, or a trainer's dictionary that
            holds some, such as Lightning's `state_dict` or timm's `state_dict_ema`.

    Raises:
        WeightsError: It cannot be read, is larger than 4 GiB, damaged, or holds objects, which are never loaded.
    """
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path}: larger than {_MAX_BYTES >> 30} GiB; that is no inspector"
            raise WeightsError(msg)
        if path.suffix == ".safetensors":
            return {"": dict(load_file(path))}
        return dict(_sets(torch.load(path, map_location="cpu", weights_only=True)))
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise WeightsError(msg) from error
    except SafetensorError as error:
        msg = f"{path}: damaged safetensors file: {error}"
        raise WeightsError(msg) from error
    except UnpicklingError as error:
        msg = (
            f"{path}: not a plain state dict (objects in it are never loaded); save the network's state_dict() alone, "
            "as .safetensors or with torch.save"
        )
        raise WeightsError(msg) from error
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError) as error:
        msg = f"{path}: neither a safetensors file nor one that torch.save wrote: {_first_line(error)}"
        raise WeightsError(msg) from error


def state_for(
    wanted: Mapping[str, Tensor], path: Path, *, at: str | None = None, ignored: Collection[str] = ()
) -> FoundState:
    """Find the weights of a network in a file, whatever stands before their names.

    One prefix before all names (`model.`, `module.`, `encoder.`), and the marks of torch.compile and data parallel
    training anywhere, are taken off (or the network's own prefix is put on) where then every name and shape agrees.

    Args:
        wanted: The network's own state dict.
        path: The file.
        at: The key of the set to take, such as `state_dict_ema`; None: the only one that fits.
        ignored: Names that the file may have beside those wanted, such as a classifier's.

    Raises:
        WeightsError: Nothing in the file fits, or several sets do; the message says what to write.
    """
    sets = read_state_dicts(path)
    fitting = {label: found for key, tensors in sets.items() for label, found in _fitted(wanted, tensors, key, ignored)}
    chosen = {label: found for label, found in fitting.items() if at in (None, label)}
    if len(chosen) == 1:
        ((label, found),) = chosen.items()
        others = [
            f"{path.name}: the weights at {other} fit too and are left out" for other in fitting if other != label
        ]
        return FoundState(tensors=found.tensors, notes=(*found.notes, *others))
    if chosen:
        msg = f"{path}: {len(chosen)} sets of weights fit, at {_listed(chosen)}; write weights_at: {max(chosen)}"
        raise WeightsError(msg)
    if fitting:
        msg = f"{path}: no weights that fit stand at {at!r}; write weights_at: {max(fitting)}, or leave it out"
        raise WeightsError(msg)
    msg = f"{path}: does not fit: {_nearest(wanted, sets)}"
    raise WeightsError(msg)


def _sets(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    if not isinstance(value, Mapping):
        if depth == 0:
            msg = f"wanted a dictionary of tensors, got {type(value).__name__}"
            raise ValueError(msg)
        return
    tensors = {str(name): each for name, each in value.items() if isinstance(each, torch.Tensor)}
    if tensors:
        yield key, tensors
    if depth < _DEEPEST:
        for name, inner in value.items():
            yield from (
                _sets(inner, f"{key}.{name}" if key else str(name), depth + 1) if isinstance(inner, Mapping) else ()
            )


def _fitted(
    wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], key: str, ignored: Collection[str]
) -> list[tuple[str, FoundState]]:
    """Give what fits with a label each: under the names as they are, else without the trainers' marks."""
    if tensors.keys() == wanted.keys() and _same_shapes(wanted, tensors):
        return [(key, FoundState(tensors=dict(tensors)))]
    aliases = _aliases(wanted)
    for names in (tensors, _unmarked(tensors)):
        found = []
        for off, on in dict.fromkeys(_prefixes(wanted, aliases, names)):
            renamed = {on + name.removeprefix(off): each for name, each in names.items() if name.startswith(off)}
            renamed = {name: each for name, each in renamed.items() if name not in ignored}
            renamed |= {name: renamed[two] for name, two in aliases.items() if name not in renamed and two in renamed}
            if renamed.keys() == wanted.keys() and _same_shapes(wanted, renamed):
                left = [name for name in names if not name.startswith(off)]
                notes = (f"{len(left)} tensors outside {off!r} are left out, such as {left[0]}",) if left else ()
                label = ".".join(part for part in (key, off.rstrip(".")) if part)
                found.append((label, FoundState(tensors=renamed, notes=notes)))
        if found:
            return found
    return []


def _same_shapes(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> bool:
    return all(tensors[name].shape == each.shape for name, each in wanted.items())


def _prefixes(
    wanted: Mapping[str, Tensor], aliases: Mapping[str, str], names: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Give pairs of what may stand before the file's names and before the network's own."""
    yield "", ""
    anchor, longest = max(wanted, key=len, default=""), max(names, key=len, default="")
    for each in {anchor, aliases.get(anchor, anchor)}:
        yield from ((name.removesuffix(each), "") for name in names if name.endswith(f".{each}"))
    yield from (("", name.removesuffix(longest)) for name in wanted if name.endswith(f".{longest}"))


def _unmarked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    plain: dict[str, Tensor] = {}
    for name, each in tensors.items():
        parts = f".{name}"
        for mark in _TRAINERS_MARKS:
            parts = parts.replace(f".{mark}", ".")
        plain[parts.removeprefix(".")] = each
    return plain


def _aliases(wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Give the names that share their numbers with another one, which a file may hold once only."""
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    shared: dict[str, str] = {}
    for name, each in wanted.items():
        place = (each.data_ptr(), tuple(each.shape))
        if each.numel() and place in first:
            shared |= {name: first[place], first[place]: name}
        first.setdefault(place, name)
    return shared


def _nearest(wanted: Mapping[str, Tensor], sets: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Say how far the set that comes nearest is from fitting."""
    if not sets:
        return "no tensor is in it"
    key, tensors = max(sets.items(), key=lambda item: len(item[1].keys() & wanted.keys()))
    place = f"at {key!r} " if key else ""
    missing, extra = [name for name in wanted if name not in tensors], [name for name in tensors if name not in wanted]
    if not missing and not extra:
        name = next(name for name in wanted if tensors[name].shape != wanted[name].shape)
        return f"{place}{name} is {list(tensors[name].shape)} in the file, the network wants {list(wanted[name].shape)}"
    alike = len(wanted) - len(missing)
    found = f"{place}{alike} of the network's {len(wanted)} names are in the file"
    if missing:
        found += f"; it lacks {len(missing)}, such as {missing[0]}"
    if extra:
        found += f"; {len(extra)} of its own are unknown to the network, such as {extra[0]}"
    return f"{found}; write the file again from this network's state_dict()"


def _listed(sets: Iterable[str]) -> str:
    return ", ".join(sorted(key or "the top level" for key in sets)) or "none"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
