"""Decode one image file from its bytes: upright, opaque, RGB, 8 bits per channel, of the requested size.

Opens no file. Colour profiles are not applied.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
ORIENTATION = 0x0112  # the EXIF tag (CIPA DC-008, 4.6.5); for its values 2 to 8, the operation that makes the image upright:
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """A file is not a usable image; the message is the reason, a few words in one line."""


class Header(NamedTuple):
    """Height and width in pixels of the upright image; True if there is more than one frame."""

    height: int
    width: int
    animated: bool


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's Python warnings (very large image, odd EXIF). Not thread-safe: enter it outside the thread pool."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def inspect(content: bytes) -> Header:
    """Decode a file once, a JPEG at an eighth of its size (a quarter of the time), and return its header.

    Raises:
        Unreadable: not an image of FORMATS, truncated, damaged, or more pixels than Pillow's limit.
    """
    with _opened(content) as image:
        width, height = image.size
        animated = image.format != "MPO" and bool(getattr(image, "is_animated", False))  # MPO: a photo and its previews
        image.draft("L", (width // 8, height // 8))  # the whole file is still read
        image.load()
        return Header(*((width, height) if _orientation(image) > 4 else (height, width)), animated)


def pixels(content: bytes, size: int | None, background: str) -> np.ndarray:
    """Return an image as uint8 (H, W, 3).

    Args:
        content: of the file. The first frame of an animation is used.
        size: side of the square output in pixels: the short side is resized to it (Pillow's bicubic, antialiased) and
            the centre is cropped; None keeps the size.
        background: the colour behind transparent pixels, a name that Pillow knows or `#rrggbb`.

    Raises:
        Unreadable: as for `inspect`.
    """
    with _opened(content) as image:
        image.load()
        orientation = _orientation(image)
        opaque = _opaque(_eight_bits(image), background)
        upright = opaque.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else opaque
        if size is not None:
            short = min(upright.size)
            left, top = ((side - short) / 2 for side in upright.size)
            box = (left, top, left + short, top + short)
            upright = upright.resize((size, size), Image.Resampling.BICUBIC, box=box)
        return np.asarray(upright)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open an image; any exception inside becomes Unreadable, since Pillow raises many types on malformed bytes."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            yield image
    except Image.UnidentifiedImageError:
        raise Unreadable("is no PNG, JPEG, WebP, BMP or GIF image" if content else "is empty") from None
    except Exception as error:
        raise Unreadable(" ".join(str(error).split()) or type(error).__name__) from error


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if it is absent or cannot be read. The image must be loaded."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF: shown as stored, as image viewers do
        return 1
    return value if value in UPRIGHT else 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16 bits of grey to 8 (0..65535 -> 0..255, rounded): Pillow's own conversion clips. Other modes are unchanged."""
    if not image.mode.startswith("I"):
        return image
    grey16 = np.asarray(image).astype(np.int64)
    grey8 = Image.fromarray(((grey16 * 255 + 32767) // 65535).astype(np.uint8))
    if (transparent := image.info.get("transparency")) is not None:
        grey8.putalpha(Image.fromarray(np.where(grey16 == transparent, 0, 255).astype(np.uint8)))
    return grey8


def _opaque(image: Image.Image, background: str) -> Image.Image:
    """Return RGB, transparent pixels blended over the background."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    base = Image.new("RGBA", image.size, background)
    base.alpha_composite(image.convert("RGBA"))
    return base.convert("RGB")
