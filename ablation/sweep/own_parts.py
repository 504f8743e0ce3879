"""Parts in packages of the user's own: which are trusted by name, where their source lies, and what a --config-dir may hold.

A package is trusted as typed, `trusted=[mypkg]`, or in the environment, ABLATION_TRUSTED=mypkg,other; never by a file. What is
typed goes into the environment, where the processes of a sweep find it. Nothing here imports the package.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from ablation.sweep.installation import CONF
from ablation.sweep.refusal import Refused, typed

VARIABLE = "ABLATION_TRUSTED"
CALLED_FIRST = ("callbacks", "job_logging", "hydra_logging")  # Hydra calls them before a configuration can be checked
PLUGINS = ("hydra._internal.core_plugins.", "hydra_plugins.")  # where Hydra itself finds its launchers and sweepers


def trusted() -> list[str]:
    """Return the names of the trusted packages."""
    return [name for entry in os.environ.get(VARIABLE, "").split(",") if (name := entry.strip())]


def trust(arguments: Sequence[str]) -> None:
    """Add the packages of a typed `trusted=[...]` to those of the environment.

    Raises:
        Refused: a name is that of no package, or of one whose parts are no configuration's.
    """
    names = {name: f"{VARIABLE}={os.environ.get(VARIABLE)}" for name in trusted()}
    for argument in arguments:
        if argument.lstrip("+").partition("=")[0] == "trusted":
            names |= dict.fromkeys(_listed(argument), argument)
    for name, quoted in names.items():
        if not name.isidentifier():
            raise Refused(f"{quoted}: {name} is no name of a package; trusted=[mypkg], without its modules")
        if name in sys.stdlib_module_names or name in ("ablation", "hydra_plugins"):
            raise Refused(f"{quoted}: {name} holds no parts of your own; must be a package of yours")
        if not _locations(name):
            raise Refused(f"{quoted}: no package {name} with Python source found: install it, or set PYTHONPATH to its folder")
    if names:
        os.environ[VARIABLE] = ",".join(names)


def check_typed(names: Any, overrides: Sequence[str] = ()) -> None:
    """Refuse a `trusted` in a configuration file: a file cannot vouch for code.

    Raises:
        Refused: a name is not among `trusted`.
    """
    listed = names if isinstance(names, list) else [names]
    if more := [name for name in listed if name not in trusted()]:
        raise Refused(f"{typed('trusted', names, overrides)}: stands in a file; type trusted=[{more[0]}], or set {VARIABLE}")


def _listed(argument: str) -> list[str]:
    """Return the names of a typed list, or the single name."""
    try:
        override = OverridesParser.create().parse_override(argument)
        value = None if override.is_sweep_override() else override.value()
    except HydraException:
        value = None
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise Refused(f"{argument}: must be a list of packages, trusted=[mypkg,other]")
    return [str(name) for name in names]


def source(module: str) -> Path | None:
    """Return the Python file of a trusted package's module, None if it is not trusted or has no such file."""
    name, *rest = module.split(".")
    if name not in trusted() or not all(part.isidentifier() for part in rest):
        return None
    for path in _locations(name):
        if path.is_file():
            return path if not rest else None
        inside = path.joinpath(*rest)
        for file in (inside / "__init__.py", inside.with_suffix(".py")):
            if file.is_file():
                return file
    return None


def packages(config: dict[str, Any]) -> dict[str, list[tuple[str, Path]]]:
    """Return the Python files of every trusted package, with their names in it, if a target of the configuration lies in one.

    All of them, because a part may import from another package that was named for that.
    """
    if not any(target.partition(".")[0] in trusted() for target in _targets(config)):
        return {}
    return {name: [file for path in _locations(name) for file in _files(path)] for name in trusted()}


def _files(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    return [(file.relative_to(path).as_posix(), file) for file in sorted(path.rglob("*.py"))]


def _locations(name: str) -> list[Path]:
    """Return the folders of a package, or the file of a module; a top-level name is found without importing it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    paths = spec.submodule_search_locations or ([spec.origin] if spec.origin else [])
    return [path for path in map(Path, paths) if path.is_dir() or path.suffix == ".py"]


def _targets(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "_target_":
            yield str(value)
        elif isinstance(value, dict | list):
            yield from _targets(value)


def check_folders(arguments: Sequence[str]) -> None:
    """Refuse a --config-dir, --config-path or --config-name that would have Hydra call code or whose options would be hidden.

    Raises:
        Refused: names the file or Hydra's node.
    """
    options, _ = get_args_parser().parse_known_args(list(arguments))
    if options.config_dir:
        folder = Path(options.config_dir)
        for file in sorted(folder.rglob("*.yaml")):
            if (CONF / file.relative_to(folder)).is_file() and not folder.samefile(CONF):
                raise Refused(f"{file}: the shipped option of that name would be used instead; rename the file")
    if options.config_dir or options.config_path or options.config_name:
        path = create_config_search_path(str(Path(options.config_path).absolute()) if options.config_path else str(CONF))
        if options.config_dir:
            url = f"file://{Path(options.config_dir).absolute()}"
            path.prepend("command-line", url, SearchPathQuery(provider="schema"))  # as Hydra does
        mode = RunMode.MULTIRUN if options.multirun else RunMode.RUN
        try:
            config = ConfigLoaderImpl(path).load_configuration(options.config_name or "config", options.overrides, mode)
        except HydraException:
            return  # Hydra composes it again, and stops there
        shipped = ConfigLoaderImpl(create_config_search_path(str(CONF))).load_configuration("config", [], RunMode.RUN)
        check_hydra(config, shipped)
        for target in _targets(OmegaConf.to_container(config.hydra, resolve=False)):
            if not target.startswith(PLUGINS) and target != config.hydra.callbacks.plan._target_:
                raise Refused(f"hydra: {target} is not allowed as a target; must be a launcher or sweeper that Hydra finds")


def check_hydra(config: DictConfig, expected: DictConfig) -> None:
    """Refuse a configuration whose callbacks and logging, which Hydra calls unchecked, are not the expected ones.

    Raises:
        Refused: names the part of Hydra's node.
    """
    for name in CALLED_FIRST:
        actual, wanted = (OmegaConf.to_container(node.hydra[name], resolve=False) for node in (config, expected))
        if actual != wanted:
            raise Refused(f"hydra.{name}: changed by a configuration file; Hydra calls it before anything is checked")
