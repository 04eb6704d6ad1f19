"""Tiles of scores on a device of PyTorch's, as `cvig.ranking.tiles` makes them on the processor."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import torch

from cvig.ranking.tiles import Tally

FEW = 1 << 20  # scores in doubt that are found at once


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep TF32 and bfloat16 products out of all threads; restore the caller's choice."""
    if not hasattr(torch.backends.mkldnn, "matmul"):  # before torch 2.9
        choice = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(choice)
        return
    backends = torch.backends.mkldnn.matmul, torch.backends.cuda.matmul
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        yield
    finally:
        for backend, choice in zip(backends, before, strict=True):
            backend.fp32_precision = choice


class DeviceTiles:
    """Products by PyTorch, large enough to keep a device busy."""

    rows, columns = 8192, 16384

    def __init__(self, device: str | torch.device) -> None:
        self.device, self._turn = torch.device(device), Lock()

    def put(self, array: np.ndarray) -> torch.Tensor:
        """A copy of the array on the device."""
        return torch.from_numpy(array).to(self.device)

    def tally(
        self, rows: torch.Tensor, columns: torch.Tensor, struck: tuple[np.ndarray, np.ndarray], margin: float
    ) -> Tally:
        """As `cvig.ranking.tiles.HostTiles.tally`, of tensors; in `full_precision`."""
        with self._turn, torch.no_grad(), torch.autocast(self.device.type, enabled=False):  # one tile's memory at a time
            scores = rows @ columns.T
            scores[tuple(self.put(part) for part in struck)] = -torch.inf
            above = (scores > margin).sum(dim=1)
            doubt = (scores >= -margin).sum(dim=1) - above

            def find() -> tuple[np.ndarray, np.ndarray]:
                return tuple(x.cpu().numpy() for x in (scores.abs() <= margin).nonzero(as_tuple=True))

            tally = Tally(above.cpu().numpy(), doubt.cpu().numpy(), find)
            if tally.doubt.sum() < FEW:  # the scores' memory is not held until somebody asks
                found = find()
                tally = tally._replace(find=lambda: found)
            return tally
