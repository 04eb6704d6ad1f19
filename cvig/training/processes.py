"""Training in several processes: which of them this one is, and what they tell one another.

A process takes its part from the environment: from `cvig.training.starting.start`, from ``torchrun``, or from SLURM's
``srun``. Each has a device of its own.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.plugins.environments import ClusterEnvironment, SLURMEnvironment
from torch import distributed

LOST = 75  # exit code of a process that ends because another one has
PATIENCE = timedelta(minutes=30)  # for the slowest of the processes, which may still open its data


def rank() -> int:
    """This process's number, from 0; the first writes what all have made."""
    return distributed.get_rank() if _joined() else 0


def count() -> int:
    """How many processes train together; 1 where none were joined."""
    return distributed.get_world_size() if _joined() else 1


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def part_of(environment: dict[str, str]) -> tuple[int, int, int]:
    """Rank, number of processes, and rank on this machine, as an environment has them.

    >>> part_of({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"})
    (3, 4, 1)
    >>> part_of({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"})
    (1, 2, 0)
    >>> part_of({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"})  # a batch script: srun has started no task yet
    (0, 1, 0)
    """
    for names in (("RANK", "WORLD_SIZE", "LOCAL_RANK"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")):
        if all(name in environment for name in names):
            return tuple(int(environment[name]) for name in names)
    return 0, 1, 0


def join(device: str) -> int:
    """Join the processes that were started beside this one, and give their number; alone where there are none.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Of CUDA devices each process of a machine takes its own.

    Raises
    ------
    ValueError
        More processes than CUDA devices on this machine.
    """
    own, everyone, here = part_of(os.environ)
    if _joined() or everyone == 1:
        return count()
    if starter := os.environ.get("CVIG_STARTER"):
        _end_with(int(starter))
    if device == "cuda":
        devices = torch.cuda.device_count()
        if here >= devices and devices > 1:  # one alone: the scheduler shows each process its own
            raise ValueError(f"process {own} is number {here + 1} on this machine, where torch finds {devices} CUDA devices")
        torch.cuda.set_device(here if devices > 1 else 0)
    if "CVIG_MEETING" in os.environ:
        where = f"file://{os.environ['CVIG_MEETING']}"
    elif "MASTER_ADDR" in os.environ:
        where = "env://"
    else:
        step = f"{os.environ['SLURM_JOB_ID']}{os.environ['SLURM_STEP_ID']}"  # two trainings of a job do not meet
        first = SLURMEnvironment.resolve_root_node_address(os.environ["SLURM_STEP_NODELIST"])
        where = f"tcp://{first}:{15000 + int(step[-4:])}"
    backend = "nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=where, rank=own, world_size=everyone, timeout=PATIENCE)
    return everyone


def leave() -> None:
    """End what `join` began."""
    if _joined():
        distributed.destroy_process_group()


def _end_with(starter: int) -> None:
    """End this process when the one that started it has ended, in whatever way."""

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(0.3)
        os._exit(LOST)

    threading.Thread(target=watch, daemon=True).start()


def share(whole: int) -> range:
    """This process's even share of numbers 0 … whole - 1; shares follow one another in the order of the ranks."""
    return range(whole * rank() // count(), whole * (rank() + 1) // count())


def gather(value: Any) -> list:
    """Every process's `value`, in the order of the ranks, in all of them."""
    if count() == 1:
        return [value]
    values = [None] * count()
    distributed.all_gather_object(values, value)
    return values


def first(do: Callable[[], Any]) -> Any:
    """What `do` gives in the first process, in all of them; what it raises there is raised in all of them."""
    if count() == 1:
        return do()
    told: list = [None, None]
    if rank() == 0:
        try:
            told[0] = do()
        except Exception as error:
            told[1] = error
    distributed.broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    return told[0]


class Joined(ClusterEnvironment):
    """What Lightning is told of processes that `join` joined: each is a node of one device."""

    creates_processes_externally = True
    main_address, main_port = "127.0.0.1", 0  # never asked for: they have met already

    @staticmethod
    def detect() -> bool:
        """Lightning need not find it by itself."""
        return False

    def world_size(self) -> int:
        """How many processes there are."""
        return count()

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """This process's number."""
        return rank()

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """Always the first and only process of its node."""
        return 0

    def node_rank(self) -> int:
        """This process's number."""
        return rank()
