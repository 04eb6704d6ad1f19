"""Starting the processes of a training on this machine, and ending all of them when one fails."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cvig.locks import meeting_folder
from cvig.training.processes import LOST

LOST_OTHERS = re.compile("Connection (closed|reset) by peer|Broken pipe|DistBackendError|DistNetworkError")  # gloo, NCCL
GRACE = 2.0  # seconds in which the other processes may end by themselves, so that the one that failed first is known


class ProcessFailed(RuntimeError):
    """One of several processes failed; the message says which and why."""


def _read(stream: IO[str], say: Callable[[str], None] | None, last: deque[str]) -> None:
    for line in stream:
        last.append(line.rstrip("\n"))
        if say:
            say(last[-1])


def _reason(code: int, last: deque[str]) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"was killed ({name}{', often for want of memory' if name == 'SIGKILL' else ''})"
    said = [line for line in last if line.strip()]
    return f"ended with code {code}: {said[-1].strip() if said else 'it said nothing'}"


def start(command: list[str], number: int, say: Callable[[str], None] | None = None) -> None:
    """Run `command` in `number` processes of this machine, which `cvig.training.processes.join` connects, and wait.

    Each is a new interpreter. Neither fork nor spawn is used, because this process may be a notebook's kernel.

    Parameters
    ----------
    command : list of str
        The program and its arguments.
    number : int
    say : callable, optional
        Called with each line that the first process prints; by default the lines are printed.

    Raises
    ------
    ProcessFailed
        A process failed, and all others have been ended. One line gives its number and the reason.
    """
    with meeting_folder("processes") as folder:
        known = {"WORLD_SIZE": str(number), "CVIG_MEETING": str(Path(folder, "meeting")), "CVIG_STARTER": str(os.getpid())}
        loopback = [name for _, name in socket.if_nameindex() if re.fullmatch(r"lo\d*", name)]
        if loopback:  # they connect on this machine, whatever address its name has
            known["GLOO_SOCKET_IFNAME"] = loopback[0]
        running, said, readers = [], [], []
        try:
            for number_of in map(str, range(number)):
                process = subprocess.Popen(
                    command,
                    env=os.environ | known | {"RANK": number_of, "LOCAL_RANK": number_of},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="backslashreplace",
                )
                running.append(process)
                said.append(deque(maxlen=20))
                told = (
                    (say or (lambda line: print(line, flush=True)), lambda line: print(line, file=sys.stderr))
                    if number_of == "0"
                    else (None, None)
                )
                for stream, tell, last in ((process.stdout, told[0], deque(maxlen=1)), (process.stderr, told[1], said[-1])):
                    readers.append(threading.Thread(target=_read, args=(stream, tell, last), daemon=True))
                    readers[-1].start()
            while any(process.poll() is None for process in running) and not any(process.poll() for process in running):
                time.sleep(0.05)
            until = time.monotonic() + GRACE
            while any(process.poll() is None for process in running) and time.monotonic() < until:
                time.sleep(0.05)
            codes = [process.poll() for process in running]
        finally:
            _end(running)
        for reader in readers:
            reader.join(GRACE)
        bad = [i for i, code in enumerate(codes) if code]
        if bad:  # name one that was killed, else one that failed, else one that lost its connection to another
            lost = [code == LOST or any(map(LOST_OTHERS.search, last)) for code, last in zip(codes, said, strict=True)]
            i = min(bad, key=lambda i: (codes[i] > 0, lost[i]))
            raise ProcessFailed(f"process {i} of {number} {_reason(codes[i], said[i])}")


def _end(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
