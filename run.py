"""The only entry for training: one command line, one run (or, with -m, a sweep of them).

    python run.py                        the report's baseline
    python run.py -m                     its Table 1: six cells
    python run.py -m profile=demo        the same shape on handwritten digits, a minute on two CPU cores

config -> parts -> fit -> record. Everything below this file takes plain arguments.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from ablation.sweep import settings, stop
from ablation.sweep.command import carry_out, telling

if TYPE_CHECKING:
    from ablation.records.record import Record
    from ablation.training.fit import Fit
    from ablation.training.trial import Trial

log = logging.getLogger(__name__)
settings.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    """Hydra's task: a composed configuration in, one run out."""
    with telling():
        run(config)


def run(config: DictConfig) -> None:
    """Train one run and leave its record; a run that has ended in a result already is said and skipped."""
    from ablation.records.lock import Busy
    from ablation.records.record import Record

    stop.check()
    settings.check(config)
    identity = settings.identity(config)
    record = Record(settings.run_folder(config), digest=settings.run_digest(config), config=identity, study=config.study.name)
    try:
        if record.skip(config.rerun):
            return
        with stop.watch(config.fail_fast), record:
            train(config, record)
    except Busy as busy:
        log.info("%s: %s, skipped", record.folder.name, busy)


def build(config: DictConfig) -> Fit:
    """Build a run's parts, each from its own stream. Torch is imported here and below, so that --help needs none."""
    from ablation.models.classifier import Classifier
    from ablation.sweep import plan
    from ablation.training.fit import Fit
    from ablation.training.streams import seeded

    plan.check_machine(config)
    engine = settings.build(config, "engine", precision=config.train.precision)
    dataset = settings.build(config, "data").to(engine.device)
    with seeded(config.seed, "init.backbone"):
        backbone = settings.build(config, "backbone", num_classes=len(dataset.classes))
    with seeded(config.seed, "init.resizer"):
        resizer = settings.build(config, "resizer")
    classifier = engine.prepare(Classifier(resizer, backbone))
    augment = settings.build(config, "aug")
    optimizer = settings.build(config, "optimizer", params=classifier.parameters())
    length = {"epochs": config.train.epochs, "batch_size": config.train.batch_size}
    schedule = settings.build(config, "schedule")
    return Fit(classifier, dataset, augment, optimizer, schedule, **length, seed=config.seed, engine=engine)


def trial(config: DictConfig) -> Trial | None:
    """Try two training steps and one evaluation batch of a run, for check=true."""
    from ablation.training.trial import trial

    return trial(build(config), stop.stopping)


def train(config: DictConfig, record: Record) -> None:
    """Fit a run and hand every epoch to its record."""
    from ablation.records.checkpoint import Checkpoints
    from ablation.records.provenance import provenance
    from ablation.sweep import plan
    from ablation.training.evaluate import picture
    from ablation.training.progress import Bar

    # Build
    fit = build(config)
    engine, dataset, resizer = fit.engine, fit.dataset, fit.classifier.get_submodule("resizer")

    # Resume
    size = plan.size(config)
    facts = {"device": engine.name, "parameters": size.parameters, "macs": size.macs, "test_images": len(dataset.test)}
    facts |= {"peak_memory_bytes": engine.peak_memory}  # asked at the end, however the run ends
    text = OmegaConf.to_yaml(config, resolve=True)
    record.describe(text, provenance(device=engine.name, data_checksum=dataset.checksum), **facts)
    checkpoints = Checkpoints(record.folder / "checkpoints", record.digest, **settings.plain(config.records))
    if state := checkpoints.load():
        fit.load_state_dict(state)
    record.restore(fit.history, fit.chosen())
    record.reflect(settings.build(config, "tracker"), runs=record.folder.parent)

    # Fit
    engine.reset_peak_memory()
    remaining = (config.train.epochs - len(fit.history)) * len(dataset.train)
    with Bar(record.folder.name, remaining) as bar:
        for epoch in fit.run(stop.stopping, bar):
            chosen = fit.chosen()
            numbers = {kind: row.epoch for kind, row in chosen.items()}
            checkpoints.save(epoch.epoch, fit.state_dict(), chosen=numbers, final=epoch.epoch == fit.epochs)
            record.append(epoch, chosen)
            record.show("resizer", lambda: picture(resizer, dataset.test, fit.augment))
    if len(fit.history) < fit.epochs:
        stop.check()

    # Close
    checkpoints.extract({kind: row.epoch for kind, row in fit.chosen().items()})
    record.finish(fit.predictions(), labels=dataset.test.labels.cpu().numpy())


if __name__ == "__main__":
    sys.exit(carry_out(main, trial))
