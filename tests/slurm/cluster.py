"""A real SLURM on this machine: its own munge, controller and node with two pretended GPUs, below one folder.

Owns the daemons, their configuration and their end. The GPUs are device files that every
machine has: SLURM hands out their numbers, nobody opens them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

INSTALL = "apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # where Debian puts daemons, and what not everybody's PATH has
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
START = 60.0  # seconds for the node to be idle; 3 on a quiet machine

# Requeued jobs wait for their old credential to expire; killed ones get KillWait after SIGTERM. Both are minutes elsewhere.
CONFIGURATION = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
KillWait=3
SchedulerParameters=sched_interval=2,bf_interval=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 Gres=gpu:2 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""


class Cluster:
    """A running SLURM. Use as a context: whatever ends the block, no daemon and no job of it lives on.

    Raises:
        RuntimeError: it cannot be started; the message says what to install, or what the daemons said.
    """

    def __init__(self) -> None:
        missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
        if missing:
            raise RuntimeError(f"no {', '.join(missing)} here: these tests need a real SLURM, as root: {INSTALL}")
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # munge's socket: a path of at most 107 characters
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        try:
            self._configure()
            self._begin("munged", "--foreground", "--force", *self._munge_files())
            wait_until(lambda: (self.folder / "munge.sock").exists(), START, self._said)
            self._begin("slurmctld", "-D")
            self._begin("slurmd", "-D", "-N", host())
            wait_until(
                lambda: self.ask("sinfo", "--noheader", "--partition=low", "--format=%T").strip() == "idle", START, self._said
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if len(self._daemons) > 1:
            with contextlib.suppress(RuntimeError):
                self.empty()
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
            daemon.wait()
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *command: str) -> str:
        """Run one of SLURM's commands; return what it said, on either stream."""
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Return the state of each job that has not been forgotten, by its id (`12_0` of an array)."""
        said = self.ask("squeue", "--states=all", "--array", "--noheader", "--format=%i %T")
        return dict(line.split() for line in said.splitlines())

    def empty(self) -> None:
        """End all jobs, and wait for it."""
        self.ask("scancel", "--user=root", "--signal=KILL", "--full")
        self.ask("scancel", "--user=root")
        wait_until(lambda: not self.ask("squeue", "--noheader").strip(), START, lambda: self.ask("squeue"))

    def _configure(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        for number, device in enumerate(("null", "zero")):
            (self.folder / f"gpu{number}").symlink_to(f"/dev/{device}")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.folder.chmod(0o755)  # munge insists
        controller_port, node_port = free_ports(2)
        text = CONFIGURATION.format(host=host(), folder=self.folder, controller_port=controller_port, node_port=node_port)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(f"NodeName={host()} Name=gpu File={self.folder}/gpu[0-1]\n")

    def _munge_files(self) -> list[str]:
        named = {"socket": "sock", "key-file": "key", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        return [f"--{option}={self.folder}/munge.{ending}" for option, ending in named.items()]

    def _begin(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.said").open("wb")
        with log:
            self._daemons.append(
                subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )

    def _said(self) -> str:
        """Return the ends of the daemons' logs."""
        logs = sorted([*self.folder.glob("*.said"), *self.folder.glob("*.log")])
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)

    def _processes(self) -> list[int]:
        """Return the processes whose environment names this SLURM: job steps outlive a node's daemon."""
        mark = f"SLURM_CONF={self.folder}/".encode()
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in environment.read_bytes() and int(environment.parent.name) != os.getpid():
                    found.append(int(environment.parent.name))
        return found


def host() -> str:
    """Return this machine's name as SLURM shortens it."""
    return socket.gethostname().partition(".")[0]


def free_ports(number: int) -> list[int]:
    """Return TCP ports that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_until(there: Callable[[], bool], seconds: float, said: Callable[[], str]) -> None:
    """Wait until something holds.

    Raises:
        RuntimeError: it does not within so many seconds; the message ends with `said()`.
    """
    until = time.monotonic() + seconds
    while not there():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds:.0f} s:\n{said()}")
        time.sleep(0.1)
