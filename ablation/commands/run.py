"""Train: one command line, one run (or, with -m, a sweep of them).

    python run.py                        the report's baseline
    python run.py -m                     its Table 1: six cells
    python run.py -m profile=demo        eight cells on handwritten digits, two minutes on a CPU

config -> parts -> fit -> record. Everything below this file takes plain arguments.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import hydra
import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig

from ablation.sweep import commits, exit_reason, frozen, planned_run, settings, signals
from ablation.sweep.command import report_errors, run_command
from ablation.sweep.installation import CONF
from ablation.sweep.planned_run import Planned
from ablation.sweep.refusal import Refused

if TYPE_CHECKING:
    from ablation.data.images import Dataset
    from ablation.records.record import Record
    from ablation.training.fit import Fit
    from ablation.training.trial import Trial

IMPORTED_LATE = (  # by a run, inside functions
    "torch._dynamo",
    "ablation.cost.model_size",
    "ablation.models.classifier",
    "ablation.records.checkpoint",
    "ablation.records.provenance",
    "ablation.records.record",
    "ablation.training.evaluate",
    "ablation.training.fit",
    "ablation.training.progress_bar",
)

log = logging.getLogger(__name__)
planned_run.register()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def task(config: DictConfig | Planned) -> None:
    """Train the run that Hydra composed, or one that another process has planned."""
    with report_errors():
        run(config if isinstance(config, Planned) else planned_run.of_task(config))


def run(planned: Planned) -> None:
    """Train one run and write its record; a run that already has a result is printed and skipped."""
    from ablation.records.lock import Busy
    from ablation.records.record import Record

    signals.raise_if_stopping()
    record = Record(
        planned.folder,
        digest=planned.digest,
        config=planned.identity,
        study=planned.study,
        own=planned.own_code,
        place=place(planned),
    )
    try:
        if record.earlier.skip(planned.config["rerun"], frozen.data_checksums(planned)):
            exit_reason.write("skipped", "has a result already")
            return
        frozen.check_unchanged(planned)
        if planned.config["code"] not in (None, commits.HERE):
            from ablation.launch import other_code

            other_code.train(planned)
            return
        with signals.watch(planned.config["fail_fast"]), record:
            train(planned, record)
    except Busy as busy:
        log.info("%s: %s, skipped", record.folder.name, busy)
        exit_reason.write("skipped", str(busy))


def place(planned: Planned) -> str:
    """Return the run's place among those of this command, `3/16`; empty where it is alone."""
    runs = planned_run.PLANNED
    return f"{runs.index(planned) + 1}/{len(runs)}" if planned in runs and len(runs) > 1 else ""


def build(planned: Planned) -> Fit:
    """Build a run's parts, each from its own random stream. Torch is imported here, so that --help does not load it."""
    from ablation.cost import model_size
    from ablation.models.classifier import Classifier
    from ablation.training.fit import Fit
    from ablation.training.streams import seeded

    model_size.check_machine(planned)
    config, length = planned.config, planned.train
    engine = settings.build(config, "engine", precision=length.precision)
    dataset = settings.build(config, "data").to(engine.device)
    check_facts(planned, dataset)
    with seeded(planned.seed, "init.backbone"):
        backbone = settings.build(config, "backbone", num_classes=len(dataset.classes))
    with seeded(planned.seed, "init.resizer"):
        resizer = settings.build(config, "resizer")
    classifier = engine.prepare(Classifier(resizer, backbone))
    augment = settings.build(config, "aug")
    optimizer = settings.build(config, "optimizer", params=classifier.parameters())
    schedule = settings.build(config, "schedule")
    fixed = {"epochs": length.epochs, "batch_size": length.batch_size, "seed": planned.seed}
    return Fit(classifier, dataset, augment, optimizer, schedule, **fixed, engine=engine)


def check_facts(planned: Planned, dataset: Dataset) -> None:
    """Refuse data that are not what the plan was made for: the facts in the YAML of a data set of the user's own.

    Raises:
        Refused: names both.
    """
    facts, test_limit = planned.dataset, planned.config["data"]["test_limit"]
    expected = (planned.trained_images, test_limit or facts.test, facts.classes, facts.height, facts.width)
    found = (len(dataset.train), len(dataset.test), len(dataset.classes), *dataset.train.pixels.shape[2:])
    if found != expected:
        names = "train, test, classes, height, width"
        raise Refused(
            f"data={planned.options['data']}: its loader returned {found} ({names}), planned were {expected}: data.facts"
        )


def warm(runs: Iterable[Planned]) -> bool:
    """Import what these runs will import, so that a process forked from this one finds it.

    Returns:
        True if such a process can use the GPUs, if any: this one has neither initialised CUDA nor asked for its devices.
    """
    import torch

    from ablation.launch import forked

    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # torch.cuda.is_available() then does not initialise CUDA's driver
    targets = {
        node["_target_"] for run in runs for node in run.config.values() if isinstance(node, dict) and "_target_" in node
    }
    for name in (*IMPORTED_LATE, *(target.rpartition(".")[0] for target in sorted(targets))):
        importlib.import_module(name)
    usable = forked.true_in_a_fork(lambda: not (torch.cuda._is_in_bad_fork() and torch.cuda.is_available()))
    del os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"]
    return usable


def trial(planned: Planned) -> Trial | None:
    """Run two training steps and one evaluation batch, for check=true."""
    from ablation.training.trial import trial

    return trial(build(planned), signals.stopping)


def train(planned: Planned, record: Record) -> None:
    """Train a run and append every epoch to its record."""
    from ablation.cost import model_size
    from ablation.records.checkpoint import Checkpoints
    from ablation.records.provenance import provenance
    from ablation.training.evaluate import picture
    from ablation.training.progress_bar import Bar

    # Build
    fit = build(planned)
    engine, dataset, resizer = fit.engine, fit.dataset, fit.classifier.get_submodule("resizer")

    # Resume
    size = model_size.size(planned)
    facts = {"device": engine.name, "parameters": size.parameters, "macs": size.macs, "test_images": len(dataset.test)}
    facts |= {"dataset": dataset.name, "classes": len(dataset.classes), "class_names": list(dataset.classes)}
    facts |= {"image_size": list(dataset.test.pixels.shape[2:])}
    facts |= {"peak_memory_bytes": engine.peak_memory}  # called when the run ends, however it ends
    text = yaml.safe_dump(planned.config, sort_keys=False, allow_unicode=True)
    record.describe(text, provenance(planned.own_code, device=engine.name, data_checksum=dataset.checksum), **facts)
    checkpoints = Checkpoints(record.folder / "checkpoints", planned.digest, **planned.config["records"])
    if state := checkpoints.load():
        fit.load_state_dict(state)
    record.restore(fit.history, fit.chosen())
    record.start_tracking(settings.build(planned.config, "tracker"), runs=record.folder.parent)

    # Fit
    engine.reset_peak_memory()
    remaining = (planned.train.epochs - len(fit.history)) * len(dataset.train)
    with Bar(f"{record.place} {record.folder.name}".lstrip(), remaining) as bar, checkpoints:
        for epoch in fit.run(signals.stopping, bar):
            chosen = fit.chosen()
            numbers = {kind: row.epoch for kind, row in chosen.items()}
            checkpoints.save(epoch.epoch, fit.state_dict(), chosen=numbers, final=epoch.epoch == fit.epochs)
            record.append(epoch, chosen)
            record.show("resizer", lambda: picture(resizer, dataset.test, fit.augment))
    if len(fit.history) < fit.epochs:
        signals.raise_if_stopping()

    # Close
    checkpoints.extract({kind: row.epoch for kind, row in fit.chosen().items()})
    record.finish(fit.predictions(), labels=dataset.test.labels.cpu().numpy())


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(task, trial)
