"""The folder of a saved network: its weights, its design, and a digest of the weights.

The weights are written first and ``network.json`` last. A save that is interrupted leaves two files that do not belong
together, and reading them raises an error.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from cvig.files import atomic, write_json

WEIGHTS, DESIGN = "checkpoint.safetensors", "network.json"
FORMAT = 1


def _once(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state without repetitions: a tensor that both towers share is kept under its first name alone."""
    names: dict[tuple, str] = {}
    for name in sorted(state):
        names.setdefault((state[name].data_ptr(), state[name].shape), name)
    return {name: state[name].contiguous() for name in names.values()}


def _digest(state: dict[str, torch.Tensor]) -> str:
    """Digest of the tensors and their names; the file's own digest would also depend on its header."""
    total = hashlib.sha256()
    for name in sorted(state):
        total.update(f"{name} {state[name].dtype} {list(state[name].shape)}\n".encode())
        total.update(np.ascontiguousarray(state[name].cpu().numpy()))
    return total.hexdigest()


def write(folder: Path | str, design: dict, network: nn.Module) -> None:
    """Write the weights, and then the design that they belong to.

    Raises
    ------
    ValueError
        A tensor of floating point numbers that are not float32.
    """
    state = _once(network.state_dict())
    other = [name for name, x in state.items() if x.is_floating_point() and x.dtype != torch.float32]
    if other:
        raise ValueError(f"'{other[0]}' is {state[other[0]].dtype} ({len(other)} such): save network.float()")
    folder = Path(folder)
    with atomic(folder / WEIGHTS) as temporary:
        try:
            save_file(state, temporary)
        except SafetensorError as error:  # so it says that a disk is full
            raise OSError(f"'{folder / WEIGHTS}' cannot be written: {error}") from error
    write_json(folder / DESIGN, {"format": FORMAT, "design": design, "weights": {"sha256": _digest(state)}})


def _read_json(folder: Path) -> dict:
    path = folder / DESIGN
    if not path.is_file():
        older = "; a folder of weights alone, from before networks kept their design: train it again"
        raise FileNotFoundError(
            f"no saved network in '{folder}': {DESIGN} is not there{older if (folder / WEIGHTS).exists() else ''}"
        )
    try:
        content = json.loads(path.read_text())
        kept = content["format"], content["design"], content["weights"]["sha256"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"'{path}': expected what saving a network writes ({type(error).__name__}: {error})") from error
    if kept[0] != FORMAT:
        raise ValueError(f"'{path}' has format {kept[0]}, expected {FORMAT}: it takes another version of cvig")
    return content


def read_design(folder: Path | str) -> dict:
    """The arguments by which `cvig.models.build` builds the saved network.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no saved network, or this version cannot read it.
    """
    return _read_json(Path(folder))["design"]


def read_weights(folder: Path | str, network: nn.Module) -> None:
    """Load the saved weights into every tensor of `network`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `cvig.models.load_network` raises them.
    """
    path, wanted = Path(folder) / WEIGHTS, network.state_dict()
    if not path.is_file():
        raise FileNotFoundError(f"the network in '{folder}' has no weights: {WEIGHTS} is not there")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"weights '{path}' cannot be read: {str(error).splitlines()[0]}") from error
    once = _once(wanted)
    unlike = [
        name for name, x in once.items() if name in state and (x.shape, x.dtype) != (state[name].shape, state[name].dtype)
    ]
    for wrong, names in (
        ("lack", [name for name in once if name not in state]),
        ("have the foreign", [name for name in state if name not in once]),
        ("have another shape or type of", unlike),
    ):
        if names:
            raise ValueError(f"weights '{path}' {wrong} '{names[0]}' ({len(names)} such)")
    if _digest(state) != _read_json(Path(folder))["weights"]["sha256"]:
        raise ValueError(f"weights '{path}' are not those that '{DESIGN}' beside them was written for")
    network.load_state_dict(state, strict=False)  # shared tensors stand under one name alone
