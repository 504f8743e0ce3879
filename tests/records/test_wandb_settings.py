"""What W&B's own settings ask for: which source counts, and what is refused; by wandb's own reading of files and variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import wandb

from ablation.records import wandb_client
from ablation.records.wandb_settings import Chosen, Wrong, check, choose

KEY = "c0ffee" * 7
NOTHING: dict[str, Any] = {"mode": "auto", "project": None, "entity": None, "group": None, "tags": [], "notes": None}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine that knows nothing of W&B, and a folder of one's own; wandb reads both once a process, so it begins anew."""
    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "home" / "work")
    yield
    wandb.teardown()


def write(file: Path, *lines: str) -> None:
    """Write a settings file, as `wandb offline` and `wandb init` do."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["[default]", *lines]) + "\n")


HERE, EVERYWHERE = Path("wandb/settings"), Path("~/.config/wandb/settings")


def chosen(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], **configured: Any) -> Chosen:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return choose(NOTHING | configured)


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        *(({"WANDB_MODE": word}, "offline") for word in ("offline", "dryrun", "OFFLINE", " offline ")),
        *(({"WANDB_MODE": word}, "online") for word in ("online", "run", "Online")),
        *(({"WANDB_MODE": word}, "disabled") for word in ("disabled", "Disabled")),
        *(({"WANDB_DISABLED": word}, "disabled") for word in ("true", "True", "1", "yes", "on")),
        *(({"WANDB_DISABLED": word}, "online") for word in ("false", "0", "no", "off", "")),
        ({"WANDB_DISABLED": "true", "WANDB_MODE": "online"}, "disabled"),
        ({"WANDB_MODE": ""}, "online"),
        ({}, "online"),
    ],
)
def test_every_spelling_of_the_variables(variables: dict[str, str], mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, which alone means online."""
    assert chosen(monkeypatch, {"WANDB_API_KEY": KEY, **variables}).mode == mode
    assert choose(NOTHING | {"mode": "offline"}).mode == "offline"  # the configuration comes first


@pytest.mark.parametrize("file", [HERE, EVERYWHERE])
@pytest.mark.parametrize("mode", ["offline", "disabled", "dryrun"])
def test_settings_files_count_before_a_key_and_after_a_variable(file: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file.expanduser(), f"mode = {mode}")
    found = chosen(monkeypatch, {"WANDB_API_KEY": KEY})
    assert found.mode == {"dryrun": "offline"}.get(mode, mode)
    assert found.why == f"{file.expanduser().resolve() if file is EVERYWHERE else Path.cwd() / file}: mode={mode}"
    assert chosen(monkeypatch, {"WANDB_MODE": "online"}).mode == "online"


def test_netrc_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(NOTHING).mode == "offline"
    netrc = tmp_path / "home" / "netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    assert (choose(NOTHING).mode, choose(NOTHING).why) == ("online", "a W&B key was found")


VARIABLES = {
    "WANDB_PROJECT": "thesis",
    "WANDB_ENTITY": "lab",
    "WANDB_RUN_GROUP": "g1",
    "WANDB_TAGS": "x,y",
    "WANDB_NOTES": "why not",
}


def test_variables_fill_what_the_configuration_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(monkeypatch, VARIABLES)
    assert found.fields == {"project": "thesis", "entity": "lab", "group": "g1", "tags": ("x", "y"), "notes": "why not"}
    sources = "project thesis (WANDB_PROJECT), entity lab (WANDB_ENTITY), group g1 (WANDB_RUN_GROUP), tags x, y (WANDB_TAGS)"
    assert found.line.endswith(f", {sources}, notes (WANDB_NOTES)")
    configured = {"project": "p", "entity": "e", "group": "g", "tags": ["t"], "notes": "n"}
    assert choose(NOTHING | configured).fields == configured
    assert "project p (tracker.project, not WANDB_PROJECT)" in choose(NOTHING | configured).line


def test_files_fill_what_variables_leave_open(monkeypatch: pytest.MonkeyPatch) -> None:
    write(HERE, "project = here", "entity = lab")
    write(EVERYWHERE.expanduser(), "project = everywhere")
    found = chosen(monkeypatch, {"WANDB_ENTITY": "mine", "WANDB_PROJECT": ""})
    assert (found.fields["project"], found.fields["entity"]) == ("here", "mine")
    assert (choose(NOTHING).fields["group"], choose(NOTHING).fields["tags"]) == (None, None)


def test_with_no_word_the_project_is_ours() -> None:
    assert choose(NOTHING).fields["project"] == "ablation"
    assert choose(NOTHING).line.startswith("W&B: offline (no key: wandb login")


WRONG = {
    "WANDB_MODE=offlien": "WANDB_MODE=offlien: must be one of online, run, offline, dryrun, disabled, or unset",
    "WANDB_MODE=shared": "WANDB_MODE=shared: must be one of ",  # several writers of one run
    "WANDB_DISABLED=ture": "WANDB_DISABLED=ture: must be true or false, or unset",
    "WANDB_PROJECT=me/thesis": "cannot contain characters",
    "WANDB_TAGS=a,,b": "WANDB_TAGS=a,,b: ",
    "WANDB_BASE_URL=here": "WANDB_BASE_URL=here: ",
    "WANDB_INIT_TIMEOUT=soon": "WANDB_INIT_TIMEOUT=soon: ",
    "WANDB_MODE=online": "WANDB_MODE=online: there is no W&B key: wandb login (or set WANDB_API_KEY), or tracker.mode=offline",
}


@pytest.mark.parametrize("variable", WRONG)
def test_what_wandb_would_not_take_is_refused_in_one_line(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*variable.split("=", 1))
    with pytest.raises(Wrong) as error:
        check(NOTHING)
    assert WRONG[variable] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["mode = offlien"], "mode=offlien: Input should be"),
        (["mode = shared"], "mode=shared: must be one of"),
        (["mode offline"], "cannot be read as W&B's settings"),
        (["project = me/thesis"], "project=me/thesis: "),
    ],
)
def test_a_file_that_wandb_would_leave_out_is_refused(
    lines: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Wandb says so in many lines, then uploads."""
    write(HERE, *lines)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with pytest.raises(Wrong) as error:
        check(NOTHING)
    assert said in str(error.value) and str(HERE) in str(error.value) and "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("configured", [{"project": "me/thesis"}, {"tags": ["x" * 65]}])
def test_a_configuration_that_wandb_would_not_take_is_refused(configured: dict[str, Any]) -> None:
    with pytest.raises(Wrong, match=f"^tracker.{next(iter(configured))}="):
        choose(NOTHING | configured)


def test_a_wrong_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", " canary")
    with pytest.raises(Wrong) as error:
        check(NOTHING)
    assert "canary" not in str(error.value)


AGENT = {"WANDB_SWEEP_ID": "swp1", "WANDB_RUN_ID": "agent/1", "WANDB_SWEEP_PARAM_PATH": "nowhere.yaml", "WANDB_NAME": "one"}


def test_what_names_one_run_is_kept_from_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Illegal values too: they are of no use here. Of a sweep the runs are part, if it is in the runs' project."""
    found = chosen(monkeypatch, AGENT | {"WANDB_RESUME": "must", "WANDB_PROJECT": "thesis"})
    settings = wandb_client.client_settings()
    assert (settings.run_id, settings.sweep_id, settings.run_name, settings.resume) == (None, None, None, None)
    assert found.sweep == "swp1" and "sweep swp1 (WANDB_SWEEP_ID)" in found.line
    assert "each run has its own name and id, not WANDB_RUN_ID, WANDB_NAME, WANDB_RESUME, WANDB_SWEEP_PARAM_PATH" in found.line
    assert choose(NOTHING | {"project": "other"}).sweep is None
    assert os.environ["WANDB_RUN_ID"] == "agent/1"  # what else reads it finds it


def test_wandb_dir_replaces_the_runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(NOTHING).folder is None
    assert chosen(monkeypatch, {"WANDB_DIR": "files"}).folder == Path.cwd() / "files"
