"""A training as a job of a real SLURM: a controller and a worker of their own on this machine, for the time of the test."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from small_training import small_settings

from cvig.files import digest_file
from study.sessions.training import open_training
from study.settings import TrainSettings

ROOT = Path(__file__).parents[2]
LACKING = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
if LACKING:
    pytest.skip(
        f"not installed: {', '.join(LACKING)} (Debian's slurmctld, slurmd, slurm-client, munge)", allow_module_level=True
    )
if os.geteuid():
    pytest.skip("slurmd starts jobs as root alone", allow_module_level=True)
CONFIGURATION = """\
ClusterName=cvig
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={port}
SlurmdPort={next_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
RequeueExit=137,143
SchedulerParameters=requeue_delay=0,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def until(what, seconds: float = 400):
    """What `what` gives once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    pytest.fail("SLURM did not come to it in time")


def said(*words: str) -> str:
    """The output of a command; nothing where it fails."""
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A controller, a worker and their keys, taken away at the end."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    host, port = os.uname().nodename.split(".")[0], 20000 + os.getpid() % 20000
    values = {"host": host, "port": port, "next_port": port + 1, "folder": folder, "cpus": os.cpu_count()}
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(**values))
    places = [
        f"--{name}={folder}/munge.{name.split('-')[0]}"
        for name in ("key-file", "socket", "pid-file", "log-file", "seed-file")
    ]
    daemons = (
        ["munged", "-F", "--force", *places],
        ["slurmctld", "-D", "-i", "-f", str(configuration)],
        ["slurmd", "-D", "-N", host, "-f", str(configuration)],
    )
    running = []
    with pytest.MonkeyPatch.context() as patch, open(folder / "log", "w") as log:
        patch.setenv("SLURM_CONF", str(configuration))
        try:
            for words in daemons:
                running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
                time.sleep(0.5)
            end = time.monotonic() + 20
            while "idle" not in said("sinfo", "-h", "-o", "%T"):
                if time.monotonic() > end or any(daemon.poll() is not None for daemon in running):
                    pytest.skip(f"no worker of SLURM came up here: {(folder / 'log').read_text().strip().splitlines()[-1:]}")
                time.sleep(0.2)
            yield folder
            said("scancel", "--user=root")
            until(lambda: not said("squeue", "-h").strip(), 15)
        finally:
            for daemon in reversed(running):
                daemon.terminate()
                try:
                    daemon.wait(5)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()


def submit(folder: Path, settings: TrainSettings, log: str = "log") -> tuple[str, Path]:
    """Give SLURM a training; its number, and the file of what it says."""
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings.to_dict()))
    command = f"{sys.executable} -m study.train {folder}/settings.json --keep-every 0"
    script = f"#!/bin/sh\nexport PYTHONPATH={ROOT}\n{command} </dev/null\n"
    words = ["sbatch", "--parsable", "--requeue", "--open-mode=append", f"--output={folder / log}", f"--chdir={ROOT}"]
    number = subprocess.run(words, input=script, capture_output=True, text=True, check=True).stdout.strip()
    return number, folder / log


def ended(number: str) -> str:
    """The state of a job that is over, COMPLETED if it is no longer known; nothing before."""
    state = said("squeue", "-h", "-j", number, "-t", "all", "-o", "%T").strip() or "COMPLETED"
    return state if state in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL") else ""


def outcome(run: Path) -> tuple:
    """What a training left, but for seconds."""
    return digest_file(run / "checkpoint.safetensors"), pd.read_csv(run / "log.csv").drop(columns="seconds").to_dict()


def test_a_second_job_is_refused_and_one_that_is_killed_is_given_again_and_ends_the_same(slurm, tmp_path):
    settings = small_settings(tmp_path / "killed" / "run", epochs=6)
    number, log = submit(tmp_path / "killed", settings)
    until(lambda: log.exists() and "epoch   2" in log.read_text())
    command = (sys.executable, "study.train", f"{tmp_path}/killed/settings.json")
    found = [path for path in Path("/proc").glob("[0-9]*") if all(word in _command(path) for word in command)]
    assert len(found) == 1
    os.kill(int(found[0].name), signal.SIGSTOP)  # it holds its folder, and is not done before the other one has come
    second, refused = submit(tmp_path / "killed", settings, "refused")
    whole = open_training(settings.model_copy(update={"out": str(tmp_path / "whole")}))
    whole.fit()
    whole.finish()
    assert until(lambda: ended(second)) == "FAILED"
    (line,) = refused.read_text().splitlines()
    assert f"is being written (pid {found[0].name}," in line
    os.kill(int(found[0].name), signal.SIGKILL)
    assert until(lambda: ended(number)) == "COMPLETED"
    assert outcome(tmp_path / "killed" / "run") == outcome(tmp_path / "whole")
    assert log.read_text().count("epoch   1") == 1  # it went on, and did not begin anew


def _command(path: Path) -> list[str]:
    try:
        words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
    return words
