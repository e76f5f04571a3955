"""Digits without a download: printed ones, each leaned, turned and stretched at random.

They take the place of MNIST (:mod:`galgen.data.digits`) where that is not at hand: images of the
same size, the digit about 20 pixels high in the middle of 28, as there. The faces are those that
matplotlib ships. Held-out digits are printed in faces that training digits are not.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from galgen.data.digits import check_split, load_digits, mnist_is_cached
from galgen.errors import InputError
from galgen.randomness import Role, random_generator

FACES = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSans-BoldOblique",
        "DejaVuSansMono",
        "DejaVuSansMono-Oblique",
        "DejaVuSerif-Bold",
        "DejaVuSerif-Italic",
        "STIXGeneral",
        "STIXGeneralBol",
        "STIXGeneralItalic",
    ),
    "test": ("DejaVuSans-Oblique", "DejaVuSansMono-Bold", "DejaVuSerif", "STIXGeneralBolIta"),
}
SIDE, HEIGHT, FINE = 28, 20, 2
"""Pixels of an image and of a digit, and how much finer each side of a pixel is drawn."""


def digits_at_hand(
    number: int, split: str = "train", folder: str | Path | None = None
) -> tuple[Float[np.ndarray, "digits 28 28 1"], Int[np.ndarray, " digits"], str]:
    """Digits, what they are, and which kind: MNIST where it is at hand, else printed ones.

    Args:
        number: of digits, or as many as there are.
        split: ``"train"`` or ``"test"``.
        folder: with the MNIST files. None looks where ``load_digits`` has downloaded them.

    Raises:
        InputError: for another split or number, or a folder without the files.
    """
    if folder is None and not mnist_is_cached():
        return *printed_digits(number, split), "printed digits"
    images, labels = load_digits(folder, split)
    return images[:number], labels[:number], "MNIST"


def printed_digits(
    number: int, split: str = "train", seed: int = 0
) -> tuple[Float[np.ndarray, "digits 28 28 1"], Int[np.ndarray, " digits"]]:
    """Printed digits and what they are, in the form of ``load_digits``.

    Args:
        number: of digits.
        split: ``"train"`` or ``"test"``, which differ in their faces.
        seed: of all that is random.

    Returns:
        Images in [-1, 1], ink positive, of 256 grey levels, and labels 0 to 9.

    Raises:
        InputError: for another split, or no digit.
    """
    check_split(split)
    if number < 1:
        raise InputError(f"expected at least one digit, got {number}; raise number")
    rng = random_generator(Role.PRINTED_DIGITS, seed, list(FACES).index(split))
    labels = rng.integers(0, 10, number)
    glyphs = [[_glyph(face, str(digit)) for digit in range(10)] for face in FACES[split]]
    faces = rng.integers(0, len(glyphs), number)
    ink = np.stack([_bent(glyphs[f][d], rng) for f, d in zip(faces, labels, strict=True)])
    return (np.round(255 * ink) / 127.5 - 1).astype(np.float32)[..., None], labels


def _glyph(face: str, digit: str) -> Float[np.ndarray, "fine fine"]:
    """A digit in the middle of an image drawn finely: 1 where ink is."""
    path = Path(matplotlib.get_data_path()) / f"fonts/ttf/{face}.ttf"
    height, side = HEIGHT * FINE, SIDE * FINE
    one = ImageFont.truetype(path, 100).getbbox(digit)
    font = ImageFont.truetype(path, 100 * height / (one[3] - one[1]))
    left, top, right, bottom = font.getbbox(digit)
    image = Image.new("L", (side, side))
    place = ((side - left - right) / 2, (side - top - bottom) / 2)
    ImageDraw.Draw(image).text(place, digit, fill=255, font=font)
    return np.asarray(image, np.float64) / 255


def _bent(
    glyph: Float[np.ndarray, "fine fine"], rng: np.random.Generator
) -> Float[np.ndarray, "28 28"]:
    """A glyph turned by about 10 degrees, leaned, and stretched by about 10%; ink from 0 to 1."""
    angle, lean = rng.normal(0, [0.17, 0.2])
    stretch = np.exp(rng.normal(0, 0.1, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1.0, 0.0], [lean, 1.0]]) @ np.diag(stretch)
    middle = (len(glyph) - 1) / 2
    offset = middle - matrix @ (middle + rng.normal(0, FINE / 2, 2))
    fine = ndimage.affine_transform(glyph, matrix, offset, order=1)
    return fine.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))
