"""The layout of a folder of images on disk: its splits, its classes, and the files in them.

Opens no file. Files that do not belong raise one error that lists them all; nothing is skipped silently.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from ablation.data.contents import stamp

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif")  # in either case
LAYOUT = "DIR/train/<class>/ and DIR/test/<class>/ of PNG, JPEG, WebP, BMP or GIF images"
LITTER = ("thumbs.db", "desktop.ini", "__macosx")  # files of file managers, ignored like names that begin with a dot
NAMED = 10  # files named in one error


@dataclass(frozen=True)
class ImageFolder:
    """The settings of conf/data/imagefolder.yaml: where the images are and how they are read.

    `train` and `test` are folders below `root`. If `test` is None or does not exist, `test_share` of each class is taken
    from train. `size` and `background`: see `ablation.data.decode.pixels`. `cache`: folder of the caches.
    """

    root: str
    cache: str
    train: str = "train"
    test: str | None = "test"
    test_share: float | None = None
    size: int | None = None
    background: str = "white"

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> ImageFolder:
        """Return the settings among the arguments of a data node."""
        return cls(**{field.name: node[field.name] for field in fields(cls) if field.name in node})

    @property
    def name(self) -> str:
        """The folder's name for display; not part of a run's identity."""
        return printable(Path(self.root).resolve().name)


def names(roots: Sequence[str]) -> dict[str, str]:
    """Return a display name for each folder: the last parts of its path, as many as make all names different."""
    parts = {root: [part for part in Path(root).resolve().parts if part != "/"] for root in roots}
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        named = {root: printable("/".join(path[-count:])) for root, path in parts.items()}
        if len(set(named.values())) == len({tuple(path) for path in parts.values()}):
            return named
    return {root: printable(root) for root in roots}


class Found(NamedTuple):
    """The files of a split with an image's ending, as columns: path below the split, class index, name, `contents.stamp`."""

    paths: list[str]
    labels: list[int]
    names: list[str]
    stamps: list[str]


def refusal(source: ImageFolder, words: str) -> OSError:
    """Return the error that begins with what the user typed."""
    return OSError(f"data.root={source.root}: {words}")


def printable(text: str) -> str:
    """Return a name in Unicode's composed form; bytes that are no UTF-8, control and direction marks become escapes.

    So a name is the same whether a file system spells it composed or decomposed, and stands in any record or figure.
    """
    text = unicodedata.normalize("NFC", os.fsencode(text).decode("utf-8", "backslashreplace"))
    marks = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
    return re.sub(marks, lambda match: match[0].encode("unicode_escape").decode(), text)


def unusable(faults: Mapping[str, str]) -> str:
    """Return a message with the number of unusable files and the first ten, each with its reason."""
    files = "1 file" if len(faults) == 1 else f"{len(faults)} files"
    return f"{files} cannot be used: {_listed(f'{printable(path)} ({faults[path]})' for path in faults)}; replace or remove"


def check_root(source: ImageFolder) -> None:
    """Raise FileNotFoundError if the root is not set, else OSError if it is not a readable folder."""
    if source.root in ("", "???", None):
        raise FileNotFoundError(f"data.root is missing: data=imagefolder reads {LAYOUT}; say data.root=DIR")
    if not os.path.isdir(source.root):  # noqa: PTH112 - False where Path.is_dir raises: no right to look
        raise refusal(source, f"no such folder; data=imagefolder reads {LAYOUT}")


def split_here(source: ImageFolder) -> bool:
    """Return True if test images are to be taken from train.

    Raises:
        OSError: there are both a test folder and `test_share`, or neither.
    """
    has_test = source.test is not None and Path(source.root, source.test).is_dir()
    if source.test_share is None and not has_test:
        others = [printable(name) for name in _names(source, ".") if Path(source.root, name).is_dir()]
        raise refusal(
            source,
            f"has no folder {source.test or 'for test'}{'/' * bool(source.test)} (there are: {_listed(others)}); say"
            f" data.test=FOLDER, or data.test_share=0.2 to take a fifth of each class from {source.train}/",
        )
    if source.test_share is not None and has_test:
        way_out = "leave data.test_share out, or say data.test=null"
        raise refusal(source, f"data.test_share={source.test_share}, but there is a folder {source.test}/: {way_out}")
    return not has_test


def _listed(names: Iterable[str]) -> str:
    """Return the first ten names in one line, and how many more there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:NAMED]) + f" and {len(ordered) - NAMED} more" * (len(ordered) > NAMED) or "none"


def classes_of(source: ImageFolder, folder: str) -> dict[str, str]:
    """Return class name -> folder name of the folders in `root/folder`, sorted by class name."""
    if not Path(source.root, folder).is_dir():
        raise refusal(source, f"has no folder {folder}/; data=imagefolder reads {LAYOUT}, or say data.train=FOLDER")
    classes: dict[str, str] = {}
    loose = {}
    for own in _names(source, folder):
        name = printable(own)
        if not Path(source.root, folder, own).is_dir():  # False for a broken or circular link
            loose[f"{folder}/{own}"] = "is in no class folder"
        elif name in classes:
            raise refusal(source, f"{folder}/ has the class {name} in two spellings of Unicode (NFC and NFD): merge them")
        else:
            classes[name] = own
    if loose:
        raise refusal(source, f"{unusable(loose)}; expected {LAYOUT}")
    if not classes:
        raise refusal(source, f"{folder}/ is empty; data=imagefolder reads {LAYOUT}")
    return dict(sorted(classes.items()))


def _names(source: ImageFolder, folder: str) -> list[str]:
    """Return the names in a folder below the root, without the ignored files."""
    try:
        names = os.listdir(Path(source.root, folder))  # noqa: PTH208 - names alone, in a third of the time
        return [name for name in names if name[0] != "." and name.lower() not in LITTER]
    except OSError as error:
        raise refusal(source, f"{printable(folder)}/ cannot be read ({error.strerror})") from None


def check_classes(source: ImageFolder, classes: Mapping[str, Iterable[str]]) -> None:
    """Raise OSError if the splits have different classes, or only one class, where every answer would be right."""
    train, test = set(classes["train"]), set(classes.get("test", classes["train"]))
    if train != test:
        sides = (source.train, train - test), (source.test, test - train)
        only = "; ".join(f"only in {folder}: {_listed(names)}" for folder, names in sides)
        raise refusal(source, f"classes differ ({only}); both splits need the same")
    if len(train) == 1:
        (name,) = train
        raise refusal(
            source,
            f"{source.train}/ has one class folder, {name}, and a classifier needs two; data.root=DIR must be the folder of"
            f" {LAYOUT}",
        )


def images(source: ImageFolder, folder: str, classes: Mapping[str, str]) -> tuple[Found, dict[str, str]]:
    """Return the images of a split, sorted by class and name, and the reason for each file that is not an image."""
    found = Found([], [], [], [])
    faults: dict[str, str] = {}
    for label, (class_name, class_folder) in enumerate(classes.items()):
        names = _names(source, f"{folder}/{class_folder}")
        if not names:
            raise refusal(source, f"{folder}/{class_name}/ has no image; expected {LAYOUT}")
        directory = os.open(
            Path(source.root, folder, class_folder), os.O_RDONLY
        )  # a status by its name alone takes half the time
        try:
            for name, own in sorted((own if own.isascii() else printable(own), own) for own in names):
                path = f"{class_folder}/{own}"
                try:
                    status = os.stat(own, dir_fd=directory)
                except OSError as error:  # a broken or circular link
                    faults[path] = (error.strerror or type(error).__name__).lower()
                    continue
                if stat.S_IFMT(status.st_mode) != stat.S_IFREG:
                    faults[path] = "is no file"
                elif not own.lower().endswith(SUFFIXES):
                    faults[path] = f"is no image; legal: {', '.join(SUFFIXES)}"
                else:
                    found.paths.append(path)
                    found.labels.append(label)
                    found.names.append(name)
                    found.stamps.append(stamp(status))
        finally:
            os.close(directory)
    return found, faults
