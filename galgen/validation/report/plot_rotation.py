"""Catalogues in boxes that turn: a pair side by side, or a film of one on its way.

Orthographic: a point x of the box, from its centre, is turned by the angle phi about the z axis and
seen from the elevation e::

    right = x cos(phi) + y sin(phi),  depth = -x sin(phi) + y cos(phi),
    up = z cos(e) + depth sin(e)

Near points are large and dark, far ones small and pale.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from galgen.data.catalogue import Catalogue
from galgen.errors import InputError
from galgen.plot_style import BAND, GENERATED, HELD_OUT, STYLE

FRAMES = 20
MILLISECONDS = 130
ELEVATION = np.radians(20.0)
SHADES = 12
MOST_POINTS = 3000


def projected(
    x: Float[np.ndarray, "points 3"], angle: float
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"]]:
    """Right and up of every point, and its nearness; x from the centre of the box."""
    right = x[:, 0] * np.cos(angle) + x[:, 1] * np.sin(angle)
    depth = -x[:, 0] * np.sin(angle) + x[:, 1] * np.cos(angle)
    up = x[:, 2] * np.cos(ELEVATION) + depth * np.sin(ELEVATION)
    return np.column_stack([right, up]), x[:, 2] * np.sin(ELEVATION) - depth * np.cos(ELEVATION)


def rotation(pair: tuple[Catalogue, Catalogue]) -> str:
    """Held-out left, generated right, as an animated PNG in base64."""
    titles = [
        f"{kind}, N = {len(c)}" for kind, c in zip(("held-out", "generated"), pair, strict=True)
    ]
    buffer = io.BytesIO()
    _save(turning([pair] * FRAMES, [titles] * FRAMES, (HELD_OUT, GENERATED)), buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def write_film(catalogues: Sequence[Catalogue], titles: Sequence[str], path: Path) -> None:
    """A film of catalogues, one after the other, in a box that turns once.

    Args:
        catalogues: of one box, such as the states of :func:`galgen.trajectory.sample_trajectory`.
        titles: above each.
        path: to write, ``.gif`` or ``.png`` (animated).

    Raises:
        InputError: no catalogues, another number of titles, or a path of another kind.
    """
    kinds = {".gif": "GIF", ".png": "PNG"}
    if not catalogues or len(titles) != len(catalogues) or path.suffix not in kinds:
        raise InputError(
            f"expected catalogues, a title for each and a path that ends in .gif or .png, got "
            f"{len(catalogues)} catalogues, {len(titles)} titles and {path}; mend these"
        )
    frames = turning([(c,) for c in catalogues], [(t,) for t in titles], (GENERATED,))
    _save(frames, path, kinds[path.suffix])


def turning(
    frames: Sequence[Sequence[Catalogue]],
    titles: Sequence[Sequence[str]],
    colours: Sequence[str],
) -> list[Image.Image]:
    """Pictures of catalogues side by side, in boxes that turn once over all frames.

    Args:
        frames: the catalogues of each picture, of one box.
        titles: above each of them.
        colours: of each of a picture.
    """
    half = np.array(frames[0][0].box) / 2
    reach = 1.02 * float(np.hypot(half[0], half[1]))
    height = 1.02 * float(half[2] * np.cos(ELEVATION) + reach * np.sin(ELEVATION))
    with matplotlib.rc_context(dict(STYLE)):
        figure = Figure(figsize=(0.1 + 3.65 * len(colours), 3.9))
        canvas = FigureCanvasAgg(figure)
        gaps = {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.93, "wspace": 0.02}
        panels = figure.subplots(1, len(colours), gridspec_kw=gaps, squeeze=False)[0]
        drawn = []
        for axes in panels:
            axes.set(xlim=(-reach, reach), ylim=(-height, height), aspect="equal")
            axes.set_axis_off()
            lines = axes.add_collection(LineCollection([], colors=BAND, linewidths=0.7))
            drawn.append((axes.scatter([], [], lw=0), lines))
        pictures, palette = [], _palette()
        angles = np.arange(len(frames)) * 2 * np.pi / len(frames) + 0.3
        for angle, catalogues, words in zip(angles, frames, titles, strict=True):
            for axes, artists, catalogue, title, colour in zip(
                panels, drawn, catalogues, words, colours, strict=True
            ):
                axes.set_title(title)
                _turn(*artists, _thinned(catalogue) - half, half, colour, float(angle))
            canvas.draw()
            picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
            pictures.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    return pictures


def _turn(
    points: PathCollection,
    lines: LineCollection,
    x: np.ndarray,
    half: np.ndarray,
    colour: str,
    angle: float,
) -> None:
    """Move the points and the twelve edges of the box to an angle."""
    place, near = projected(x, angle)
    order = np.argsort(near)
    fraction = 0.5 + 0.5 * near[order] / np.linalg.norm(half)
    points.set_offsets(place[order])
    base = float(np.clip(2500 / max(len(x), 1), 1.5, 14))
    points.set_sizes(base * (0.35 + 1.3 * fraction))
    shade = np.tile(to_rgba(colour), (len(x), 1))
    shade[:, :3] = 1 - (1 - shade[:, :3]) * (0.25 + 0.75 * fraction[:, None])
    points.set_facecolor(shade)
    corners = np.array(list(itertools.product((-1, 1), repeat=3))) * half
    seen, _ = projected(corners, angle)
    edges = [
        (seen[i], seen[j])
        for i, j in itertools.combinations(range(8), 2)
        if np.sum(corners[i] != corners[j]) == 1
    ]
    lines.set_segments(edges)


def _thinned(catalogue: Catalogue) -> np.ndarray:
    """Positions, of at most :data:`MOST_POINTS` points evenly chosen."""
    x = catalogue.positions
    return x[:: max(1, -(-len(x) // MOST_POINTS))]


def _palette() -> Image.Image:
    """White, the edges, and shades of both colours: few, and the same in every frame."""
    shade = np.linspace(0, 1, SHADES)[:, None]
    rows = [1 - (1 - np.array(to_rgba(c)[:3])) * shade for c in (HELD_OUT, GENERATED, BAND)]
    image = Image.new("P", (1, 1))
    image.putpalette([round(255 * float(v)) for v in np.concatenate(rows).ravel()])
    return image


def _save(frames: list[Image.Image], where: Path | io.BytesIO, kind: str) -> None:
    first, *rest = frames
    first.save(where, format=kind, save_all=True, append_images=rest, duration=MILLISECONDS, loop=0)
