"""Work shared among threads, each with matrix products of its own."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from threadpoolctl import ThreadpoolController

SMALL = 1e8  # multiplications that are done before threads have started


class Threads(NamedTuple):
    """How many threads work, and a `map` that works in them."""

    count: int
    map: Callable


@contextmanager
def threads(multiplications: float) -> Iterator[Threads]:
    """As many threads as NumPy's products would take, each making its own products alone.

    Scores stay in the cache of the core that made them, and no core waits for another at the end of every product. The
    number is the library's: environment variables (``OMP_NUM_THREADS``) and ``threadpoolctl.threadpool_limits`` set it.
    Where few `multiplications` are to come, the caller's thread does them.
    """
    if multiplications < SMALL:
        yield Threads(1, map)
        return
    libraries = ThreadpoolController().select(user_api="blas")
    # a library that is not known here, such as Apple's, is free to use all
    count = max((library["num_threads"] for library in libraries.info()), default=os.cpu_count() or 1)
    if count == 1:
        yield Threads(1, map)
        return
    pool = ThreadPoolExecutor(count)
    try:
        with libraries.limit(limits=1):
            yield Threads(count, pool.map)
    finally:
        pool.shutdown(cancel_futures=True)
