"""Training in several processes: the rank of this process, and exchanging values between processes.

A process reads its rank from the environment variables that `cvig.training.starting.start`, ``torchrun`` or SLURM's ``srun``
set. Each process has a device of its own.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

LOST = 75  # exit code of a process that ends because another one has ended
PATIENCE = timedelta(minutes=30)  # how long processes wait for the slowest, which may still be opening its data


def rank() -> int:
    """The number of this process, from 0; process 0 writes the results of all."""
    return distributed.get_rank() if _joined() else 0


def count() -> int:
    """The number of processes that train together; 1 if `join` found no others."""
    return distributed.get_world_size() if _joined() else 1


def _joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def part_of(environment: dict[str, str]) -> tuple[int, int, int]:
    """Rank, number of processes, and rank on this machine, from environment variables.

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
    """Connect to the processes that were started together with this one, and return their number.

    If there are no others, nothing happens and the number is 1.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        With ``"cuda"`` each process of a machine takes a device of its own.

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
        if here >= devices and devices > 1:  # with one, the scheduler gives each process its own
            raise ValueError(f"process {own} is number {here + 1} on this machine, where torch finds {devices} CUDA devices")
        torch.cuda.set_device(here if devices > 1 else 0)
    if "CVIG_MEETING" in os.environ:
        where = f"file://{os.environ['CVIG_MEETING']}"
    elif "MASTER_ADDR" in os.environ:
        where = "env://"
    else:
        from lightning.fabric.plugins.environments import SLURMEnvironment

        step = f"{os.environ['SLURM_JOB_ID']}{os.environ['SLURM_STEP_ID']}"  # other trainings of the job have another port
        first = SLURMEnvironment.resolve_root_node_address(os.environ["SLURM_STEP_NODELIST"])
        where = f"tcp://{first}:{15000 + int(step[-4:])}"
    backend = "nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(backend, init_method=where, rank=own, world_size=everyone, timeout=PATIENCE)
    return everyone


def leave() -> None:
    """Disconnect from the other processes."""
    if _joined():
        distributed.destroy_process_group()


def _end_with(starter: int) -> None:
    """End this process when the process that started it has ended, for whatever reason."""

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(0.3)
        os._exit(LOST)

    threading.Thread(target=watch, daemon=True).start()


def share(whole: int) -> range:
    """This process's share of the numbers 0 … whole - 1; shares are even and in the order of the ranks."""
    return range(whole * rank() // count(), whole * (rank() + 1) // count())


def gather(value: Any) -> list:
    """The values of all processes, in the order of the ranks; every process gets the list."""
    if count() == 1:
        return [value]
    values = [None] * count()
    distributed.all_gather_object(values, value)
    return values


def first(do: Callable[[], Any]) -> Any:
    """Call `do` in the first process and return its result in all; what it raises is raised in all."""
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
