"""What is in a folder of images: its digest is its content, and what does not fit is refused in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation.data.layout import ImageFolder, names, printable
from ablation.data.listing import Listing, listing


@pytest.fixture
def listed(source: ImageFolder, new_process: Callable[[], None]) -> Callable[..., Listing]:
    """Lists the tiny folder, or another root, as a new process would."""

    def start(root: Path | str = source.root, **changes: object) -> Listing:
        new_process()
        return listing(replace(source, root=str(root), **changes))

    return start


def paint(path: Path, colour: int, size: tuple[int, int] = (6, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour % 256, colour // 256, 7)).save(path)


def test_files_are_sorted_by_class_and_name(listed: Callable[..., Listing]) -> None:
    found = listed()
    assert found.classes == ("cat", "dog") and (found.height, found.width) == (6, 6)
    assert [(file.path, file.label) for file in found.train] == [
        ("train/cat/0.png", 0),
        ("train/cat/1.png", 0),
        ("train/cat/2.png", 0),
        ("train/dog/0.png", 1),
        ("train/dog/1.PNG", 1),
    ]


def test_the_digest_is_the_content(listed: Callable[..., Listing], image_folder: Path, tmp_path: Path) -> None:
    """Equal for a copy elsewhere with other times; another for other pixels, another name, another class, another split."""
    digests = [listed().digest]
    copy = tmp_path / "copy"
    shutil.copytree(image_folder, copy)
    os.utime(copy / "test/dog/0.png", ns=(1, 1))
    assert listed(copy).digest == digests[0]
    paint(copy / "train/cat/1.png", 200)
    digests.append(listed(copy).digest)
    (copy / "train/cat/1.png").rename(copy / "train/cat/9.png")
    digests.append(listed(copy).digest)
    (copy / "train/cat/9.png").rename(copy / "train/dog/9.png")
    digests.append(listed(copy).digest)
    (copy / "train/dog/9.png").rename(copy / "test/dog/9.png")
    digests.append(listed(copy).digest)
    assert len(set(digests)) == 5


@pytest.mark.parametrize(
    ("train", "test"), [("training", "validation"), ("train set", "eval"), ("data/train", "data/test"), ("학습", "평가")]
)
def test_folders_of_other_names(listed: Callable[..., Listing], image_folder: Path, train: str, test: str) -> None:
    before = listed().digest
    for old, new in (("train", train), ("test", test)):
        (image_folder / new).parent.mkdir(exist_ok=True)
        (image_folder / old).rename(image_folder / new)
    assert listed(train=train, test=test).digest == before


def test_class_folders_in_the_root_itself(listed: Callable[..., Listing], tmp_path: Path) -> None:
    for number in range(20):
        paint(tmp_path / "flat" / f"c{number % 2}" / f"{number}.png", number)
    found = listed(tmp_path / "flat", train=".", test_share=0.2)
    assert found.classes == ("c0", "c1") and (len(found.train), len(found.test)) == (16, 4)


def test_a_split_made_here_is_balanced_and_fixed(listed: Callable[..., Listing], image_folder: Path, tmp_path: Path) -> None:
    """A fifth of each class, whatever the names and the order of the files; copies of an image stay on one side."""
    root = tmp_path / "one"
    for number in range(150):
        paint(root / "train" / ("rare" if number < 50 else "often") / f"{number:03}.png", number)
        paint(root / "train" / ("rare" if number < 50 else "often") / f"{number:03} copy.png", number)
    found = listed(root, test_share=0.2)
    assert [sum(file.label == label for file in found.test) for label in (0, 1)] == [40, 20]
    tested = {file.content.sha256 for file in found.test}
    assert not tested & {file.content.sha256 for file in found.train}
    for file in root.glob("train/*/*.png"):
        file.rename(file.with_name(f"{hash(file.name)}.png"))
    assert {file.content.sha256 for file in listed(root, test_share=0.2).test} == tested
    paint(root / "train/often/new.png", 999)
    assert len(tested - {file.content.sha256 for file in listed(root, test_share=0.2).test}) <= 1
    assert listed(root, test_share=0.2).digest != listed(root, test_share=0.4).digest


def test_a_test_folder_and_a_share_are_refused_unless_the_folder_is_left_out(listed: Callable[..., Listing]) -> None:
    with pytest.raises(OSError, match=r"data\.test_share=0\.5, but there is a folder test/: .*or say data\.test=null"):
        listed(test_share=0.5)
    assert [file.label for file in listed(test_share=0.5, test=None).test] == [0, 0, 1]


def spoil_link(root: Path) -> None:
    (root / "train/dog/round.png").symlink_to("round.png")


def spoil_many(root: Path) -> None:
    for number in range(13):
        (root / f"train/dog/x{number:02}.jpg").write_bytes(b"")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root), "no such folder"),
        (lambda root: (shutil.rmtree(root), root.touch()), "no such folder"),
        (
            lambda root: shutil.rmtree(root / "test"),
            r"has no folder test/ \(there are: train\); say data\.test=FOLDER, or data\.",
        ),
        (lambda root: (root / "test").rename(root / "val"), r"has no folder test/ \(there are: train, val\)"),
        (lambda root: (root / "train").rename(root / "training"), r"has no folder train/.*data\.train=FOLDER"),
        (lambda root: (shutil.rmtree(root / "train"), (root / "train").mkdir()), "train/ is empty"),
        (lambda root: (shutil.rmtree(root / "test/dog"), (root / "test/dog").mkdir()), "test/dog/ has no image"),
        (lambda root: (root / "test/dog").rename(root / "test/dig"), r"only in train: dog; only in test: dig"),
        (
            lambda root: [shutil.rmtree(root / split / "cat") for split in ("train", "test")],
            r"train/ has one class folder, dog",
        ),
        (
            lambda root: (root / "train/dog/2.txt").touch(),
            r"1 file cannot be used: train/dog/2\.txt \(is no image; legal: \.png",
        ),
        (lambda root: (root / "train/dog/more.png").mkdir(), r"train/dog/more\.png \(is no file\)"),
        (lambda root: os.mkfifo(root / "train/dog/pipe.png"), r"train/dog/pipe\.png \(is no file\)"),
        (spoil_link, r"train/dog/round\.png \(too many levels of symbolic links\)"),
        (
            lambda root: (root / "train/dog/gone.png").symlink_to("nowhere"),
            r"train/dog/gone\.png \(no such file or directory\)",
        ),
        (lambda root: (root / "train/loop").symlink_to("loop"), r"train/loop \(is in no class folder\)"),
        (lambda root: (root / "train/up").symlink_to(".."), r"only in train: up"),
        (lambda root: (root / "train/3.png").touch(), r"train/3\.png \(is in no class folder\)"),
        (lambda root: (root / "train/dog/0.png").write_bytes(b""), r"train/dog/0\.png \(is empty\)"),
        (lambda root: (root / "train/dog/0.png").write_bytes(b"<html>"), r"train/dog/0\.png \(is no PNG, JPEG"),
        (lambda root: paint(root / "train/dog/0.png", 1, (7, 9)), r"images have 2 sizes \(7 of 6 x 6, 1 of 7 x 9 pixels; .*"),
        (
            lambda root: paint(root / "train/dog/0.png", 1, (7, 9)),
            r"train/dog/0\.png is 7 x 9\): say data\.size=N, as data\.size=6",
        ),
        (spoil_many, r"13 files cannot be used: train/dog/x00\.jpg .*x09\.jpg \(is empty\) and 3 more; replace or remove$"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_in_one_line(
    listed: Callable[..., Listing], image_folder: Path, change: Callable[[Path], object], message: str
) -> None:
    change(image_folder)
    with pytest.raises(OSError, match=message) as caught:
        listed()
    assert str(caught.value).startswith(f"data.root={image_folder}: ") and "\n" not in str(caught.value)


def test_bad_files_of_both_splits_and_of_every_kind_are_named_at_once(
    listed: Callable[..., Listing], image_folder: Path
) -> None:
    (image_folder / "train/cat/0.png").write_bytes((image_folder / "train/cat/1.png").read_bytes()[:-20])
    (image_folder / "test/cat/0.png").write_bytes(b"")
    (image_folder / "test/dog/read me.md").touch()
    with pytest.raises(OSError, match=r"3 files cannot be used: test/cat/0\.png .*, test/dog/read me\.md .*, train/cat/0\.png"):
        listed()


@pytest.mark.parametrize("how", ["link", "copy", "part", "name"])
def test_a_test_set_of_training_images_is_refused(listed: Callable[..., Listing], image_folder: Path, how: str) -> None:
    if how == "name":
        with pytest.raises(OSError, match=r"every image of train/ stands in train/ too"):
            listed(test="train")
        return
    shutil.rmtree(image_folder / "test")
    if how == "link":
        (image_folder / "test").symlink_to("train")
    else:
        shutil.copytree(image_folder / "train", image_folder / "test")
    if how == "part":
        (image_folder / "test/cat/0.png").unlink()
    with pytest.raises(OSError, match=r"every image of test/ stands in train/ too \(equal bytes\), so nothing unseen"):
        listed()


def test_what_may_not_be_read_is_named(new_process: Callable[[], None]) -> None:
    """By an ordinary user: for root everything may be read."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    for number, path in enumerate(("train/a", "train/b", "test/a", "test/b")):
        paint(root / path / "0.png", number)
    user, asked = os.geteuid(), ImageFolder(str(root), str(root / "cache"))
    try:
        (root / "train/a/0.png").chmod(0)
        os.seteuid(65534 if user == 0 else user)
        with pytest.raises(OSError, match=r"1 file cannot be used: train/a/0\.png \(permission denied\)"):
            listing(asked)
        os.seteuid(user)
        (root / "train/a").chmod(0)
        os.seteuid(65534 if user == 0 else user)
        with pytest.raises(OSError, match=r"train/a/ cannot be read \(Permission denied\)"):
            listing(asked)
    finally:
        os.seteuid(user)
        (root / "train/a").chmod(0o755)
        shutil.rmtree(root)


@pytest.mark.parametrize("root", ["", "???", None])
def test_a_missing_root_says_what_to_type(source: ImageFolder, root: str | None) -> None:
    with pytest.raises(OSError, match=r"data\.root is missing: .*DIR/train/<class>/.*; say data\.root=DIR"):
        listing(replace(source, root=root))


def test_what_file_managers_leave_is_no_image(listed: Callable[..., Listing], image_folder: Path) -> None:
    before = listed().digest
    for name in (".DS_Store", "._0.png", "Thumbs.db", "desktop.ini"):
        (image_folder / "train/cat" / name).touch()
    for name in (".cache", "__MACOSX"):
        (image_folder / "train" / name).mkdir()
    assert listed().digest == before


def test_composed_and_decomposed_names_are_one_class(
    listed: Callable[..., Listing], image_folder: Path, tmp_path: Path
) -> None:
    """A folder made on a Mac and its copy on Linux: the same classes, the same digest."""
    for split in ("train", "test"):
        (image_folder / split / "dog").rename(image_folder / split / unicodedata.normalize("NFC", "été 개"))
    composed = listed()
    shutil.copytree(image_folder, tmp_path / "mac")
    decomposed = (
        tmp_path / "mac/train" / unicodedata.normalize("NFD", "été 개")
    )  # in one split alone: compared with the other's
    (tmp_path / "mac/train" / unicodedata.normalize("NFC", "été 개")).rename(decomposed)
    assert listed(tmp_path / "mac").classes == composed.classes == ("cat", unicodedata.normalize("NFC", "été 개"))
    assert listed(tmp_path / "mac").digest == composed.digest


def test_one_class_in_two_spellings_is_refused(listed: Callable[..., Listing], image_folder: Path) -> None:
    for form in ("NFC", "NFD"):
        paint(image_folder / "train" / unicodedata.normalize(form, "é") / "0.png", 9)
    with pytest.raises(OSError, match=r"train/ has the class é in two spellings of Unicode \(NFC and NFD\): merge them"):
        listed()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(b"\xe9t\xe9", r"\xe9t\xe9"), (b"a\nb", r"a\nb"), (b"\x1b[31m", r"\x1b[31m"), ("\u202egpj".encode(), r"\u202egpj")],
)
def test_a_name_that_no_screen_can_show_becomes_escapes(
    listed: Callable[..., Listing], image_folder: Path, raw: bytes, shown: str
) -> None:
    """Bytes of another encoding, control characters, marks that turn the line round: trained all the same."""
    for number, split in enumerate(("train", "test")):
        paint(image_folder / split / os.fsdecode(raw) / "0.png", 50 + number)
        image = image_folder / split / os.fsdecode(raw) / "0.png"
        image.rename(image.with_name(os.fsdecode(b"\xff.png")))
    found = listed()
    assert shown in found.classes and found.classes[found.test[-1].label].encode()
    Path(image_folder, found.test[-1].path).write_bytes(b"")
    with pytest.raises(OSError, match="1 file cannot be used") as caught:
        listed()
    assert str(caught.value).isprintable() and str(caught.value).encode()


def test_the_locale_changes_nothing(source: ImageFolder, image_folder: Path) -> None:
    (image_folder / "train/dog").rename(image_folder / "train/été")
    (image_folder / "test/dog").rename(image_folder / "test/été")
    code = f"""
from ablation.data.layout import ImageFolder; from ablation.data.listing import listing
import os
found = listing(ImageFolder(os.fsdecode({os.fsencode(source.root)!r}), {source.cache!r}))
print(found.digest, ascii(found.classes))"""
    seen = set()
    for locale in ({"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"LC_ALL": "C.UTF-8"}):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **locale})
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout)
    assert len(seen) == 1 and r"('cat', '\xe9t\xe9')" in seen.pop()


def test_folders_are_named_by_as_much_as_tells_them_apart(tmp_path: Path) -> None:
    a, b, c = str(tmp_path / "a/pets"), str(tmp_path / "b/pets"), str(tmp_path / "b/grey")
    assert names([a, c]) == {a: "pets", c: "grey"}
    assert names([a, b]) == {a: "a/pets", b: "b/pets"}
    assert names([]) == {} and printable("plain") == "plain"


def test_pixels_of_images_that_only_look_equal(listed: Callable[..., Listing], image_folder: Path, tmp_path: Path) -> None:
    """Equal names, equal sizes in bytes, other pixels: another digest."""
    folders = []
    for colours in ((10, 20, 30, 40), (20, 10, 40, 30)):
        root = tmp_path / f"from {colours[0]}"
        for path, colour in zip(("train/a/0.bmp", "train/b/0.bmp", "test/a/0.bmp", "test/b/0.bmp"), colours, strict=True):
            paint(root / path, colour)
        folders.append(root)
    sizes = [sorted(file.stat().st_size for file in root.rglob("*.bmp")) for root in folders]
    assert sizes[0] == sizes[1] and listed(folders[0]).digest != listed(folders[1]).digest
    assert np.unique(sizes).size == 1
