"""Images as people have them: what a viewer shows is what is trained on."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablation.data.decode import ORIENTATION, UPRIGHT, Unreadable, inspect, pixels, quiet

HEIGHT, WIDTH = 24, 40


def picture() -> Image.Image:
    """A smooth picture of which every turn differs from every other."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return Image.fromarray(np.stack([rows * 10, columns * 6, (rows + 2 * columns) * 2], -1).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, colour_type: int, depth: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of kinds that Pillow does not write (W3C PNG, 11.2)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    whole = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in whole)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def close(one: np.ndarray, other: np.ndarray, mean: float = 3.0) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) < mean


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "JPEG"])
def test_every_format_shows_the_picture(kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    content = saved(picture(), kind, **options)
    assert close(pixels(content, None, "white"), np.asarray(picture()), 2 if kind == "JPEG" else 1e-9)
    assert inspect(content) == (HEIGHT, WIDTH, False)


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("1", "PNG", {}),
        ("L", "PNG", {}),
        ("P", "PNG", {}),
        ("P", "BMP", {}),
        ("P", "GIF", {}),
        ("L", "JPEG", {}),
        ("RGB", "JPEG", {"progressive": True}),
        ("RGB", "PNG", {"icc_profile": b"no profile"}),
        ("CMYK", "JPEG", {"quality": 95}),
    ],
)
def test_every_mode_becomes_rgb(mode: str, kind: str, options: dict[str, Any]) -> None:
    content = saved(picture().convert(mode), kind, **options)
    expected = np.asarray(picture().convert(mode).convert("RGB"))
    assert pixels(content, None, "white").dtype == np.uint8 and close(pixels(content, None, "white"), expected)
    assert inspect(content) == (HEIGHT, WIDTH, False)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", sorted({1, *UPRIGHT}))
def test_exif_turns_the_picture_upright(kind: str, orientation: int) -> None:
    """The picture stored turned, with the tag that says so, shows as the picture (CIPA DC-008, 4.6.5)."""
    back = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turn = back.get(orientation, UPRIGHT.get(orientation))
    stored = picture() if turn is None else picture().transpose(turn)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = saved(stored, kind, exif=exif.tobytes(), **({"lossless": True} if kind == "WEBP" else {}))
    assert inspect(content) == (HEIGHT, WIDTH, False)
    assert close(pixels(content, None, "white"), np.asarray(picture()))


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\1" * 9]
)
def test_exif_that_says_nothing_turns_nothing(exif: bytes) -> None:
    content = saved(picture(), "JPEG", exif=exif)
    with quiet():
        assert inspect(content) == (HEIGHT, WIDTH, False) and pixels(content, None, "white").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_there_is_not_turns_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = value
    assert inspect(saved(picture(), "JPEG", exif=exif.tobytes())) == (HEIGHT, WIDTH, False)


@pytest.mark.parametrize(
    ("background", "colour"), [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("#102030", (16, 32, 48))]
)
@pytest.mark.parametrize("kind", ["RGBA", "LA", "WEBP", "palette", "GIF", "grey key", "colour key", "deep grey key"])
def test_what_is_transparent_shows_the_background(kind: str, background: str, colour: tuple[int, int, int]) -> None:
    """Left half opaque 200, right half transparent over a colour that must not be seen."""
    alpha = Image.new("L", (8, 4), 255)
    alpha.paste(0, (4, 0, 8, 4))
    rgba = Image.new("RGB", (8, 4), (200, 200, 200))
    rgba.paste((255, 0, 0), (4, 0, 8, 4))
    rgba.putalpha(alpha)
    palette = Image.new("P", (8, 4), 0)
    palette.putpalette([200, 200, 200, 255, 0, 0])
    palette.paste(1, (4, 0, 8, 4))
    grey, deep = bytes([0, *[200] * 4, *[77] * 4]) * 4, (b"\0" + struct.pack(">8H", *[200 * 257] * 4, *[77] * 4)) * 4
    content = {
        "RGBA": lambda: saved(rgba, "PNG"),
        "LA": lambda: saved(rgba.convert("LA"), "PNG"),
        "WEBP": lambda: saved(rgba, "WEBP", lossless=True),
        "palette": lambda: saved(palette, "PNG", transparency=1),
        "GIF": lambda: saved(palette, "GIF", transparency=1),
        "grey key": lambda: png(8, 4, 0, 8, grey, (b"tRNS", struct.pack(">H", 77))),
        "colour key": lambda: saved(rgba.convert("RGB"), "PNG", transparency=(255, 0, 0)),
        "deep grey key": lambda: png(8, 4, 0, 16, deep, (b"tRNS", struct.pack(">H", 77))),
    }[kind]()
    found = pixels(content, None, background)
    assert (found[:, :4] == 200).all() and (found[:, 4:] == colour).all()


def test_half_transparent_is_half_of_each() -> None:
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert (np.abs(pixels(saved(image, "PNG"), None, "white").astype(int) - 127) <= 1).all()


@pytest.mark.parametrize(("deep", "shallow"), [(0, 0), (257, 1), (128, 0), (129, 1), (40_000, 156), (65_535, 255)])
def test_sixteen_bits_of_grey_are_scaled(deep: int, shallow: int) -> None:
    """value / 257, rounded: never clipped to white."""
    content = saved(Image.fromarray(np.full((3, 5), deep, np.uint16)), "PNG")
    assert (pixels(content, None, "white") == shallow).all() and inspect(content) == (3, 5, False)


def test_sixteen_bits_a_colour_are_scaled() -> None:
    rows = (b"\0" + struct.pack(">6H", *[65_535, 0, 32_768] * 2)) * 2
    assert (np.abs(pixels(png(2, 2, 2, 16, rows), None, "white").astype(int) - [255, 0, 127.5]) <= 1).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (6, 4), (value, 0, 0)) for value in (0, 120, 250)]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {}))
    assert inspect(content) == (4, 6, True) and (pixels(content, None, "white") == 0).all()


def test_a_photo_with_a_preview_behind_it_is_no_animation() -> None:
    """MPO: what many telephones write as .jpg."""
    content = saved(picture(), "MPO", save_all=True, append_images=[picture().resize((8, 4))], quality=95)
    assert inspect(content) == (HEIGHT, WIDTH, False) and close(pixels(content, None, "white"), np.asarray(picture()))


@pytest.mark.parametrize("size", [3, 12, 24, 96])
def test_a_size_is_the_short_side_and_the_centre(size: int) -> None:
    """Equal to the whole resized by Pillow's bicubic, then cut; a landscape and its turned copy give turned results."""
    width = size * WIDTH // HEIGHT
    whole = picture().resize((width, size), Image.Resampling.BICUBIC)
    expected = np.asarray(whole.crop(((width - size) // 2, 0, (width + size) // 2, size)))
    found = pixels(saved(picture(), "PNG"), size, "white")
    assert np.array_equal(found, expected)
    turned = pixels(saved(picture().transpose(Image.Transpose.TRANSPOSE), "PNG"), size, "white")
    assert np.array_equal(turned, found.transpose(1, 0, 2))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_file_cut_short_is_seen_without_a_full_decode(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), dtype=np.uint8))
    content = saved(noise, kind)
    inspect(content)
    with pytest.raises(Unreadable):
        inspect(content[: int(share * len(content))])


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("PNG", lambda content: content[:-30]),
        ("JPEG", lambda content: content[:-30]),
        ("PNG", lambda content: content[:60] + b"\x55" + content[61:]),  # in the pixels: OSError in Pillow
        ("PNG", lambda content: content[:36] + b"\x07" + content[37:]),  # a chunk's length: SyntaxError
        ("PNG", lambda content: content[:11] + b"\x07" + content[12:]),  # the header's length: ValueError
        ("JPEG", lambda content: b"\xff\xd8" + content[4:]),
    ],
)
@pytest.mark.parametrize("look", [inspect, lambda content: pixels(content, None, "white")])
def test_damage_is_said_in_a_few_words(suffix: str, damage: Callable[[bytes], bytes], look: Callable[[bytes], object]) -> None:
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (6, 6, 3), dtype=np.uint8))
    with pytest.raises(Unreadable) as caught:
        look(damage(saved(noise, suffix)))
    assert str(caught.value) and "\n" not in str(caught.value) and "BytesIO" not in str(caught.value)


@pytest.mark.parametrize("look", [inspect, lambda content: pixels(content, None, "white")])
def test_random_damage_raises_nothing_else(look: Callable[[bytes], object]) -> None:
    random = np.random.RandomState(1)
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        whole = saved(picture(), kind)
        for _ in range(60):
            content = bytearray(whole)
            for place in random.randint(0, len(content), 4):
                content[place] = random.randint(0, 256)
            try:
                with quiet():
                    look(bytes(content))
            except Unreadable as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"<html>not found</html>", "is no PNG, JPEG, WebP, BMP or GIF")]
)
def test_what_is_no_image_is_called_none(content: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        inspect(content)


def test_a_format_that_was_not_asked_for_is_not_decoded() -> None:
    for kind in ("TIFF", "PPM", "ICO", "TGA"):
        with pytest.raises(Unreadable, match="is no PNG"):
            inspect(saved(picture(), kind))


@pytest.mark.parametrize("look", [inspect, lambda content: pixels(content, 8, "white")])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(look: Callable[[bytes], object]) -> None:
    """A header of a gigapixel over no pixels."""
    with pytest.raises(Unreadable, match=r"exceeds limit of \d+ pixels"):
        look(png(40_000, 40_000, 2, 8, b""))
