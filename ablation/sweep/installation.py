"""A checkout or an installed package: where the shipped configuration lies, and how the user types a command.

Imports no package, so that --help works without any.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = (PACKAGE / "conf").is_dir()  # a wheel has conf/ inside the package, a checkout beside it
CONF = PACKAGE / "conf" if INSTALLED else PACKAGE.parent / "conf"
SCRIPTS = {
    "run": "run.py",
    "table": "reports/make_table.py",
    "figures": "reports/make_figures.py",
    "watch": "reports/watch.py",
    "audit": "reports/audit.py",
    "ensemble": "reports/make_ensemble.py",
    "export": "-m ablation.export",
    "predict": "predict.py",
    "reproduce": "reproduce.py",
}


def command(name: str) -> str:
    """Return how the user types one of SCRIPTS: `ablation-table` if started so or installed, else `python SCRIPT`."""
    installed = INSTALLED or Path(sys.argv[0]).name.startswith("ablation-")
    return f"ablation-{name}" if installed else f"python {SCRIPTS[name]}"


def description(docstring: str | None) -> str:
    """Return a command's docstring for its --help, with the commands as the user types them."""
    text = docstring or ""
    for name, script in SCRIPTS.items():
        text = text.replace(f"python {script}", command(name))
    return text


def typed() -> list[str]:
    """Return the words of this process's command line, as the user can type them again."""
    script = Path(sys.argv[0])
    return [*([script.name] if script.name.startswith("ablation-") else ["python", sys.argv[0]]), *sys.argv[1:]]
