"""A process that has imported torch, Hydra and all of the program, and forks itself into `python SCRIPT ARGUMENTS` on request.

    python -m tests.fork_server FD [without torch]

FD is a Unix socket of packets. A request is JSON (argv, cwd, environment) with three open files, which become standard input,
output and error; the answers are the child's process id and its exit code (minus the signal that ended it). The server ends
when the socket is closed. Clients call tests/commands.py. Without torch, which must then fail to import, only what needs no
torch is imported.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import grammar_parser

from ablation.launch import forked
from ablation.records import provenance

PACKAGES = ("ablation", "hydra_plugins")
IMPORTED_LATE = (
    "torch._dynamo",
    "wandb",
    "sklearn.datasets",
    "matplotlib.backends.backend_agg",
)
FOLDERS: list[tempfile.TemporaryDirectory[str]] = []  # made by wandb as it is imported
LARGEST_REQUEST = 1 << 18  # bytes; a packet of a Unix socket holds no more unless the system is told so


def import_everything(torch: bool = True) -> None:
    """Import every module of the program and what it imports late, and compute nothing: a forked thread pool would hang.

    Args:
        torch: whether there is torch; if not, a module that imports it is left out.
    """
    modules = [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.", lambda name: None)
    ]
    for name in [*modules, *IMPORTED_LATE]:
        try:
            importlib.import_module(name)
        except ImportError:
            if torch:
                raise
    remember()
    FOLDERS.extend(thing for thing in gc.get_objects() if isinstance(thing, tempfile.TemporaryDirectory))
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == threading.active_count() == 1, f"{threads} threads: what they hold is never released in a child"


def remember() -> None:
    """Have done once what every command does in the same way: the source digest, and what ANTLR learns as it parses."""
    provenance.source_digest()
    OverridesParser.create().parse_overrides(
        ["resizer=plain,cbam", "paths.runs=/a-b/c.d", "+x.y=[a,1.5,true]", "seed=range(0,3)"]
    )
    for text in ("${paths.runs}/sweeps/${sweep_id:}", "${oc.select:study.looks,[3,5,8]}"):
        grammar_parser.parse(text)


def serve(connection: socket.socket) -> str:
    """Answer requests until the socket is closed; return in the forked children alone, the script that each is to run."""
    while True:
        request, files, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 3)
        if not request:
            sys.exit()
        child = os.fork()
        if child == 0:
            connection.close()
            return become(request, files)
        for file in files:
            os.close(file)
        connection.send(str(child).encode())
        connection.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def become(request: bytes, files: list[int]) -> str:
    """Take over the standard files, folder, environment and arguments of a request; return its script."""
    for folder in FOLDERS:
        folder._finalizer.detach()  # type: ignore[attr-defined] # it is the server's
        folder.__init__()  # type: ignore[misc] # this process's own, removed as it ends
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    asked = json.loads(request)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["argv"]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    return sys.argv[0]


if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    import_everything(torch=len(sys.argv) == 2)
    gc.collect()
    gc.freeze()  # a child's first collection would copy the memory that it shares
    os._exit(forked.run_script(serve(listening)))
