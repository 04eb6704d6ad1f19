"""Weights from other projects' files: a state dict, by its keys."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise ValueError(f"weights '{path}': no such file; expected 'none', 'imagenet' or the path of a state dict")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
        return {key: torch.as_tensor(value) for key, value in state.get("state_dict", state).items()}
    except Exception as error:
        raise ValueError(f"weights '{path}': not a readable state dict ({type(error).__name__})") from error


def fill(network: nn.Module, state: dict[str, torch.Tensor], what: str) -> None:
    """Fill a network from a state dict; ValueError says of `what` which keys or shapes do not fit."""
    wanted = network.state_dict()
    # Batch norm only counts its batches under this key; files from before 2018 lack it.
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in wanted]
    shapes = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    for wrong, keys in (("lacks the", missing), ("has the unexpected", unexpected), ("has another shape for", shapes)):
        if keys:
            raise ValueError(f"{what}: {wrong} key '{keys[0]}' ({len(keys)} such keys)")
    network.load_state_dict(state, strict=False)


def load_state_dict(network: nn.Module, path: str | Path, ignore: tuple[str, ...] = ()) -> None:
    """Fill a network from a local state dict (``.pt``, ``.pth``, ``.safetensors``).

    Parameters
    ----------
    network : nn.Module
    path : path
        A mapping of keys to tensors, or one under the key ``state_dict`` as training scripts save it.
    ignore : tuple of str
        Top-level parts whose keys in the file are passed over.

    Raises
    ------
    ValueError
        No such file, not a state dict, or keys or shapes that do not fit: the first of them, and how many.
    """
    path = Path(path)
    state = {key: value for key, value in _read_state(path).items() if key.split(".")[0] not in ignore}
    fill(network, state, f"weights '{path}'")
