"""A sweep's configurations are composed once for each choice of options, and are what Hydra composes from nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from hydra import compose
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ablation.sweep.compose import SweepLoader, grid
from ablation.sweep.settings import as_typed

Compose = Callable[..., DictConfig]
SWEEPS = [
    ["resizer=none,plain", "optimizer.lr=0.1,0.01", "seed=1"],
    ["profile=demo", "resizer=plain", "resizer.channels=8,16", "+tracker.note=a"],
    ["backbone=vgg16", "+study.cells=[{label: a, where: {resizer: none}}]", "aug=base", "seed=range(2)"],
    ["schedule={gamma: 0.5}", "resizer=plain", "resizer.channels=${.num_blocks}", "++optimizer.extra={a: 1}"],
    ["resizer=glob(*,exclude=c*)", "~schedule.milestones", "optimizer=sgd_plain", "aug=base"],
    ["data=imagefolder", "data.root='/a b/c, d=e'", "aug=choice(base,cutmix)", "resizer=none"],
]


@pytest.fixture
def loader(composed: Compose) -> SweepLoader:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None and isinstance(hydra.config_loader, ConfigLoaderImpl)
    return SweepLoader(hydra.config_loader)


def content(config: DictConfig) -> object:
    """All of a configuration but the overrides of Hydra's own part, which `compose` does not have."""
    tree = OmegaConf.to_container(config, resolve=False)
    assert isinstance(tree, dict)
    for key in ("overrides", "mode"):
        del tree["hydra"][key]
    return tree


@pytest.mark.parametrize("overrides", SWEEPS)
def test_each_run_is_what_hydra_composes(loader: SweepLoader, overrides: list[str]) -> None:
    command = compose("config", [], return_hydra_config=True)
    command.hydra.overrides.task = overrides
    count, runs = grid(command, loader)
    listed = list(runs)
    assert len(listed) == count > 0
    for run in [*listed, listed[0]]:  # the last one after the values of others were set on copies of the same options
        hydras = compose("config", run, return_hydra_config=True)
        for own in (loader.for_plan(command, run), loader.load_sweep_config(command, run)):
            assert content(own) == content(hydras)
            assert as_typed(own.hydra) == run == as_typed(hydras.hydra)


def test_a_run_that_is_launched_shares_nothing(loader: SweepLoader) -> None:
    """Hydra writes into its own node of a run that it starts; one that is planned shares what is only read."""
    command = compose("config", [], return_hydra_config=True)
    first, second = (loader.load_sweep_config(command, [f"seed={seed}"]) for seed in (0, 1))
    assert all(first.hydra._get_node(name) is not second.hydra._get_node(name) for name in first.hydra)
    planned = loader.for_plan(command, ["seed=2"])
    assert planned.hydra.job is not first.hydra.job and planned.hydra.overrides is not first.hydra.overrides
    assert loader.for_plan(command, ["hydra.verbose=true"]).hydra.verbose
    assert not loader.for_plan(command, ["seed=2"]).hydra.verbose


def test_launchers_pickle_it(loader: SweepLoader) -> None:
    command = compose("config", [], return_hydra_config=True)
    one = loader.load_sweep_config(command, ["seed=3"])
    sent = pickle.loads(pickle.dumps(loader))
    assert content(sent.load_sweep_config(command, ["seed=3"])) == content(one) and sent is not loader


def test_the_command_line_replaces_the_studys_axes_in_their_place(loader: SweepLoader) -> None:
    command = compose("config", ["profile=demo"], return_hydra_config=True)
    command.hydra.overrides.task = ["profile=demo", "seed=0,1", "resizer=none"]
    assert list(grid(command, loader)[1]) == [
        ["resizer=none", f"aug={aug}", "profile=demo", f"seed={seed}"] for aug in ("base", "cutmix") for seed in (0, 1)
    ]
