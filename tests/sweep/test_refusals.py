"""A run that cannot be meant is refused in one line that begins with the override as typed and says the way out."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
from hydra.errors import HydraException
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablation.cost import model_size
from ablation.sweep import planned_run, security, settings
from ablation.sweep.refusal import Refused, one_line

Compose = Callable[..., DictConfig]

BAD_VALUES = {
    "seed=-1": "from 0 to 2**63 - 1",
    "seed=9223372036854775808": "from 0 to 2**63 - 1",
    "tracker.finish_timeout=abc": "> 0",
    "study.name=2024": "a text",
    "input_size=0": ">= 1",
    "data.limit=0": "null or a whole number >= 1",
    "data.limit=60000": "at most 50000",
    "data.test_limit=10001": "at most 10000",
    "data.val_size=50000": "< 50000",
    "data.val_size=-1": ">= 0",
    "backbone.weights=nowhere.pth": "no such file",
    "backbone.std=[0,1,1]": "each finite and > 0",
    "resizer.channels=0": ">= 1",
    "resizer.reduction=0": ">= 1",
    "resizer.position=middle": "one of none, block, trunk",
    "resizer.spatial_kernel=6": "odd",
    "resizer.zero_init=maybe": "true or false",
    "resizer.size=0": ">= 1",
    "aug.probability=1.5": "<= 1",
    "aug.alpha=0": "> 0",
    "optimizer.lr=-0.01": "finite and > 0 (conf/optimizer/sgd.yaml has 0.01)",
    "optimizer.lr=nan": "finite",
    "optimizer.lr=inf": "finite",
    "optimizer.lr=abc": "finite",
    "optimizer.momentum=1": "< 1",
    "optimizer.weight_decay=-1": ">= 0",
    "schedule.gamma=0": "> 0",
    "schedule.milestones=[2]": "<= 1",
    "train.epochs=0": "a whole number >= 1",
    "train.epochs=1.5": "a whole number",
    "train.batch_size=true": "a whole number",
    "train.precision=fp8": "one of fp32, bf16, fp16",
    "engine.device=gpu": "auto, cuda, cuda:N, mps or cpu",
    "tracker.mode=on": "one of auto, online, offline, disabled",
    "records.keep_weights=[worst]": "one of best, last, val",
    "rerun=always": "one of never, stale",
    "study.headline=luck": "no such contrast; null or one of interpolation, learning, attention",
    "study.contrasts.learning.resizer=plain": "[from, to], two values of a factor",
    "study.contrasts.learning.resizer=[plain]": "[from, to], two values of a factor",
    "study.same_speed=aug": "a list of values",
}


@pytest.mark.parametrize(("override", "words"), BAD_VALUES.items())
def test_bad_values(composed: Compose, override: str, words: str) -> None:
    overrides = ["resizer=cbam", "aug=cutmix", override]
    with pytest.raises(Refused) as refused:
        settings.check_config(composed(*overrides), overrides)
    message = str(refused.value)
    assert message.startswith(f"{override}: ") and words in message and "\n" not in message


def test_a_value_behind_an_interpolation_is_refused_where_it_was_typed(composed: Compose) -> None:
    with pytest.raises(Refused, match=r"^input_size=-3: "):
        settings.check_config(composed("resizer=plain", "input_size=-3"), ["input_size=-3"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "resizer=cbm",
            "resizer=cbm: no such option; did you mean cbam? choose from bicubic, bilinear, cbam, cbam_zero,",
        ),
        ("optimzer.lr=0.1", "optimzer.lr=0.1: no such key optimzer; did you mean optimizer?"),
        ("train.epoch=3", "train.epoch=3: no such key epoch; did you mean epochs?"),
        ("profile=lptop", "profile=lptop: no such option; did you mean laptop?"),
    ],
)
def test_typos(composed: Compose, override: str, message: str) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException)) as error:
        composed(override)
    assert one_line(error.value, [override]).startswith(message)


@pytest.mark.parametrize("override", ["+train.foo=1", "+foo=1", "+engine.bar=2"])
def test_added_keys_are_unknown_too(composed: Compose, override: str) -> None:
    with pytest.raises(Refused, match="no such key"):
        settings.check_config(composed(override), [override])


@pytest.mark.parametrize("node", ["resizer", "data", "optimizer", "aug", "backbone", "tracker", "schedule"])
def test_unknown_arguments_are_found_by_building(composed: Compose, node: str) -> None:
    with pytest.raises(Refused, match="foo"):
        model_size.size(planned_run.plan(composed("resizer=plain", f"+{node}.foo=1", "seed=9")))


def test_parts_that_do_not_fit_are_found_by_building(composed: Compose) -> None:
    with pytest.raises(Refused, match=r"data=digits resizer=none backbone=vgg16: do not fit together at 8x8"):
        model_size.size(planned_run.plan(composed("data=digits", "backbone=vgg16")))


BAD_TARGETS = [
    "builtins.open", "builtins.eval", "builtins.exec", "os.system", "subprocess.run", "subprocess.Popen", "shutil.rmtree",
    "torch.save", "torch.load", "torch.hub.load", "torch.utils.model_zoo.load_url", "urllib.request.urlopen", "pickle.load",
    "logging.os.system", "ablation.training.fit.torch.save", "ablation.records.record.json.dumps",
    "ablation.records.files.write", "ablation.data.folder.Path", "ablation.sweep.settings.build", "ablation", "",
    "ablation.models.resizer", "ablation.models.resizer._private", "ablation.models.../../evil.x", "functools.partial",
]  # fmt: skip


def test_targets_are_allow_listed_in_the_whole_tree(composed: Compose) -> None:
    """Whatever it is and wherever it stands: in the place of a part's own, in a node of its own, in a list."""
    config = composed("resizer=cbam", "aug=cutmix", "+tracker.extra=[{a: [{}]}]", "+engine.a.b={}")
    places = [""] + [f"{key}." for key, value in settings.every(settings.plain(config)) if isinstance(value, dict)]
    assert len(places) > 15
    named = re.compile(r"not allowed as a target|no such key|not used here|must be \[from, to\]")

    @given(place=st.sampled_from(places), target=st.sampled_from(BAD_TARGETS) | st.text().filter(lambda text: "${" not in text))
    def refused(place: str, target: str) -> None:
        changed = copy.deepcopy(config)
        OmegaConf.update(changed, f"{place}_target_", target, force_add=True)
        with pytest.raises(Refused, match=named):
            settings.check_config(changed)

    refused()


def test_a_last_batch_that_batch_norm_cannot_take_is_found_by_building(composed: Compose) -> None:
    """1,437 digits in batches of 4 leave one image, whose 8x8 pixels the tiny VGG pools to one value a channel."""
    with pytest.raises(Refused, match=r"^train.batch_size=4: leaves a last batch of 1 of 1437 images"):
        model_size.size(planned_run.plan(composed("profile=demo", "train.batch_size=4")))
    model_size.size(planned_run.plan(composed("profile=demo", "train.batch_size=5")))


def test_every_shipped_target_is_allowed(composed: Compose) -> None:
    """The allow-list is not so tight that the table above passes for nothing."""
    for override in (
        "resizer=cbam",
        "data=cifar100",
        "backbone=resnet18",
        "optimizer=adamw",
        "schedule=cosine",
        "aug=mixup",
    ):
        values = dict(settings.leaves(settings.plain(composed(override))))
        named = [value for key, value in values.items() if key.endswith("_target_")]
        assert len(named) >= 7 and all(security.allowed(target) for target in named)


def test_build_itself_refuses(composed: Compose) -> None:
    with pytest.raises(Refused, match="not allowed"):
        settings.build(composed("resizer._target_=os.getcwd"), "resizer")


def test_too_large_for_a_cpu(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report's baseline takes weeks on a CPU; who insists may."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(Refused, match=r"^engine.device=auto: no GPU here.*profile=demo.*profile=laptop.*engine.device=cpu"):
        model_size.check_machine(planned_run.plan(composed()))
    model_size.check_machine(planned_run.plan(composed("engine.device=cpu")))
    model_size.check_machine(planned_run.plan(composed("profile=laptop", "resizer=cbam")))


def test_the_plan_counts_as_the_paper_is_counted(composed: Compose) -> None:
    """Golden facts: VGG16 with Resizer_CBAM at 224, and VGG16 alone at 32."""
    assert model_size.size(planned_run.plan(composed("resizer=cbam"))) == model_size.Size(
        134_313_698, 15_466_209_280 + 472_418_368, 59
    )
    assert model_size.size(planned_run.plan(composed())) == model_size.Size(134_301_514, 432_775_168, 40)


CANARY = "canary-0123456789abcdef"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("paths.cache=${oc.env:WANDB_API_KEY}", "holds the value of WANDB_API_KEY"),
        (f"paths.cache=prefix-{CANARY}-suffix", "holds the value of WANDB_API_KEY"),
        ("+tracker.api_key=abc", "looks like a secret by its name"),
        ("paths.cache=${oc.env:UNSET_TOKEN,none}", "reads UNSET_TOKEN"),
    ],
)
def test_secrets_are_refused_and_never_printed(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, override: str, words: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    with pytest.raises(Refused) as refused:
        settings.check_config(composed(override), [override])
    assert words in str(refused.value) and CANARY not in str(refused.value)


def test_a_configuration_without_secrets_passes(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    settings.check_config(composed("resizer=cbam"), ["resizer=cbam"])
