"""Batches that are read ahead in a thread."""

import threading
import time

import pytest
import torch

from cvig.training.ahead import DEPTH, Ahead


def test_batches_come_in_their_order_and_again_in_each_epoch():
    source = [{"ground": torch.tensor([i])} for i in range(7)]
    ahead = Ahead(source, pinned=False)
    assert len(ahead) == 7
    for _ in range(2):
        assert [int(batch["ground"]) for batch in ahead] == list(range(7))


def test_the_next_batches_are_read_while_one_is_used_and_no_more_than_those():
    read = []
    batches = iter(Ahead((read.append(i) or i for i in range(20)), pinned=False))
    assert next(batches) == 0
    for _ in range(100):
        if len(read) == DEPTH + 2:  # those that are ready, the one in use and the one that waits for a place
            break
        time.sleep(0.02)
    time.sleep(0.05)
    assert len(read) == DEPTH + 2
    batches.close()


def test_what_the_source_raises_comes_where_its_batch_would_have_come():
    def source():
        yield 1
        raise ValueError("image 7 cannot be read")

    batches = iter(Ahead(source(), pinned=False))
    assert next(batches) == 1
    with pytest.raises(ValueError, match="image 7"):
        next(batches)


def test_an_epoch_that_ends_early_leaves_no_thread():
    before = threading.active_count()
    batches = iter(Ahead(iter(range(1000)), pinned=False))
    next(batches)
    batches.close()
    assert threading.active_count() == before
