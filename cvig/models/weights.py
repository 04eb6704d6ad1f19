"""Loading weights from state dicts that other projects saved."""

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
    """Load a state dict into a network; ValueError names `what` was loaded and the first key or shape that does not fit."""
    wanted = network.state_dict()
    # under this key batch norm only counts batches; files from before 2018 do not have it
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in wanted]
    shapes = [key for key in wanted if key in state and state[key].shape != wanted[key].shape]
    for wrong, keys in (("lacks the", missing), ("has the unexpected", unexpected), ("has another shape for", shapes)):
        if keys:
            raise ValueError(f"{what}: {wrong} key '{keys[0]}' ({len(keys)} such keys)")
    network.load_state_dict(state, strict=False)


def load_state_dict(network: nn.Module, path: str | Path, ignore: tuple[str, ...] = ()) -> None:
    """Load the weights of a network from a local state dict (``.pt``, ``.pth``, ``.safetensors``).

    Parameters
    ----------
    network : nn.Module
    path : path
        The file holds a mapping of keys to tensors, or has one under the key ``state_dict``, as training scripts save it.
    ignore : tuple of str
        Keys in the file that begin with one of these parts are skipped.

    Raises
    ------
    ValueError
        There is no such file, it is no state dict, or keys or shapes do not fit; the message names the first that does not
        fit, and counts them.
    """
    path = Path(path)
    state = {key: value for key, value in _read_state(path).items() if key.split(".")[0] not in ignore}
    fill(network, state, f"weights '{path}'")
