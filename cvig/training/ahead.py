"""Reading batches in a thread while the GPU works on the ones before."""

import threading
from collections.abc import Iterable, Iterator, Sized
from queue import Full, Queue

import torch

DEPTH = 2  # batches that are ready


class Ahead:
    """The batches of `source` in their order, each read while its predecessors are used.

    A GPU that waits for the processor to put images together, and to copy them from memory that may be paged out, stands
    still for a third to a half of a training in bfloat16 (`benchmarks/throughput.py`). What the source raises is raised
    where its batch would have come. If iteration ends early, so does the thread.

    Parameters
    ----------
    source : iterable
        Of tensors, or of dicts with tensors. It is asked for its iterator before the thread begins, because that may draw
        from torch's random generator.
    pinned : bool
        Put the tensors into page-locked memory, from which a GPU copies by itself.
    """

    def __init__(self, source: Iterable, *, pinned: bool):
        self.source, self.pinned = source, pinned

    def __len__(self) -> int:
        if not isinstance(self.source, Sized):
            raise TypeError(f"{type(self.source).__name__} has no length")
        return len(self.source)

    def __iter__(self) -> Iterator:
        batches, ready, stop = iter(self.source), Queue(DEPTH), threading.Event()

        def put(item: tuple) -> None:
            while not stop.is_set():
                try:
                    return ready.put(item, timeout=0.1)
                except Full:
                    continue

        def read() -> None:
            try:
                for batch in batches:
                    put((True, self._pinned(batch)))
                    if stop.is_set():
                        return
                put((False, None))
            except BaseException as error:
                put((False, error))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        try:
            while True:
                more, what = ready.get()
                if more:
                    yield what
                elif what is None:
                    return
                else:
                    raise what
        finally:
            stop.set()
            thread.join()

    def _pinned(self, batch: object) -> object:
        if not self.pinned:
            return batch
        if isinstance(batch, dict):
            return {name: self._pinned(value) for name, value in batch.items()}
        return batch.pin_memory() if isinstance(batch, torch.Tensor) else batch
