"""A network's parameters: read from a file, checked against the network, and named by their hash."""

import argparse
import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file

from gapscope.core.errors import InputError
from gapscope.core.files import MARK, read_sealed
from gapscope.core.location import Location

# The largest header that safetensors allows.
HEADER_BYTES = 100_000_001
WRAPPERS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
PREFIXES = ("module.", "model.", "_orig_mod.")

# What training programs put beside the tensors, such as timm its arguments and its best metric: values, and no code.
PLAIN = (argparse.Namespace, np._core.multiarray.scalar, np.dtype, *(type(np.dtype(kind)) for kind in "?bhilqBHILQefd"))
# How PyTorch names a class that it does not open.
CLASS = re.compile(r"GLOBAL ([\w.]+)")
# What PyTorch and safetensors say of a file that ends too early or was changed.
CUT = ("unexpected EOF", "central directory", "invalid header or archive", "incomplete metadata", "file not found")

State = dict[str, torch.Tensor]


def read_weights(path: str) -> State:
    """The tensors of a ``.safetensors`` file or of a PyTorch checkpoint, which is opened without running its code."""
    if not Path(path).is_file():
        raise InputError(
            f"there is no weights file {path}; --weights takes a .safetensors, .pth, .pt or .bin file, or random"
        )
    try:
        state = _tensors(path) if path.endswith(".safetensors") else _checkpoint(path)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not a weights file that can be read safely: {_reason(path, error)}") from error
    spoilt = [name for name, value in state.items() if value.is_floating_point() and bool(value.isnan().any())]
    if spoilt:
        raise InputError(
            f"{path} holds values that are no numbers (NaN) in {_examples(spoilt)}, as diverged trainings leave them; "
            "take an earlier checkpoint, or fetch it again"
        )
    return _unprefixed(state)


def unread_weights(path: str) -> list[str]:
    """A sentence about the other networks in a checkpoint of several, such as averaged weights; empty for one."""
    if path.endswith(".safetensors") or not Path(path).is_file():
        return []
    read, *others = _named(_content(path)) or [""]
    if not others:
        return []
    return [f"{path} holds {read} and {' and '.join(others)}, and {read} was read; save another one alone to use it"]


def _reason(path: str, error: Exception) -> str:
    """What keeps a file from being read, in words of our own where PyTorch's are about its options."""
    if kind := _program(path):
        return (
            f"it is {kind}, which holds code; save the tensors alone, with torch.save(model.state_dict(), FILE) or "
            "safetensors, or the network with torch.onnx.export, for --backbone onnx:FILE"
        )
    if named := CLASS.search(str(error)):
        return (
            f"it holds a {named[1]}, which may run code when it is opened; save its tensors alone, with "
            "torch.save(model.state_dict(), FILE) or safetensors"
        )
    with Path(path).open("rb") as file:
        start = file.read(12)
    if not start or isinstance(error, EOFError) or any(word in str(error) for word in CUT):
        return f"it is cut off or damaged, and has {Path(path).stat().st_size:,} bytes; fetch it again"
    if isinstance(error, pickle.UnpicklingError):
        return f"it is no checkpoint of PyTorch, it begins with {start!r}; fetch it again"
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__


def _program(path: str) -> str:
    """What kind of program of PyTorch a file is; empty where it is none."""
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as file:
        names = {Path(name).name for name in file.namelist()}
    kinds = {"constants.pkl": "a network of TorchScript", "archive_format": "a program of torch.export"}
    kinds["serialized_exported_program.json"] = kinds["archive_format"]
    return next((kind for name, kind in kinds.items() if name in names), "")


def _tensors(path: str) -> State:
    """The tensors of a file, mapped into memory; of one that gapscope has sealed, read and checked."""
    with Path(path).open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little") % HEADER_BYTES)
    return load(read_sealed(Location(path))) if MARK.encode() in header else load_file(path)


def _checkpoint(path: str) -> State:
    if _program(path):  # PyTorch would hand it to another reader, with a warning
        raise ValueError
    content = _content(path)
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"it holds a {type(content).__name__}, not tensors by name")
    named = _named(content)
    states = [value for value in content.values() if isinstance(value, Mapping) and _tensors_of(value)]
    if named or (len(states) == 1 and not _tensors_of(content)):
        content = content[named[0]] if named else states[0]
    return _tensors_of(content)


def _content(path: str) -> object:
    torch.serialization.add_safe_globals(list(PLAIN))
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _named(content: object) -> list[str]:
    """Under which names a checkpoint has networks, the first the one that is read."""
    return [name for name in WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(name), Mapping)]


def _tensors_of(content: Mapping) -> State:
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _unprefixed(state: State) -> State:
    """`state` without what wrappers put before all names; compiled and parallel networks have several."""
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return _unprefixed({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def mismatch(model: torch.nn.Module, state: State) -> str:
    """What keeps `state` from being the parameters of `model`, with the first examples; empty if nothing does."""
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    shapes = [
        f"{name} is {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    result = (("lacks", missing), ("has the unexpected", unexpected), ("differs in shape:", shapes))
    return "; ".join(f"{verb} {_examples(names)}" for verb, names in result if names)


def _examples(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def load_weights(model: torch.nn.Module, state: State, path: str, name: str) -> None:
    """Fill `model` with `state`, or say in one sentence why it does not fit."""
    problem = mismatch(model, state)
    if problem:
        raise InputError(f"{path} does not fit the backbone {name!r}: it {problem}; check the name and --backbone-args")
    model.load_state_dict(state, strict=False)  # all that may be missing is a counter of training batches


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every tensor of `model`, in the order of the names."""
    digest = hashlib.sha256()
    state = model.state_dict()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
