"""A held-out and a generated catalogue turning side by side, as one animated PNG.

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

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from galgen.data.catalogue import Catalogue
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
    with matplotlib.rc_context(dict(STYLE)):
        figure = Figure(figsize=(7.4, 3.9))
        canvas = FigureCanvasAgg(figure)
        gaps = {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.93, "wspace": 0.02}
        panels = figure.subplots(1, 2, gridspec_kw=gaps)
        drawn = []
        for axes, kind, colour, catalogue in zip(
            panels, ("held-out", "generated"), (HELD_OUT, GENERATED), pair, strict=True
        ):
            half = np.array(catalogue.box) / 2
            reach = 1.02 * float(np.hypot(half[0], half[1]))
            height = 1.02 * float(half[2] * np.cos(ELEVATION) + reach * np.sin(ELEVATION))
            axes.set(xlim=(-reach, reach), ylim=(-height, height), aspect="equal")
            axes.set_title(f"{kind}, N = {len(catalogue)}")
            axes.set_axis_off()
            points = axes.scatter([], [], lw=0)
            lines = axes.add_collection(LineCollection([], colors=BAND, linewidths=0.7))
            drawn.append((points, lines, _thinned(catalogue) - half, half, colour))
        frames, palette = [], _palette()
        for angle in np.arange(FRAMES) * 2 * np.pi / FRAMES + 0.3:
            for points, lines, x, half, colour in drawn:
                _turn(points, lines, x, half, colour, float(angle))
            canvas.draw()
            picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
            frames.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    return _animated(frames)


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


def _animated(frames: list[Image.Image]) -> str:
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        format="PNG",
        save_all=True,
        append_images=frames[1:],
        duration=MILLISECONDS,
        loop=0,
    )
    return base64.b64encode(buffer.getvalue()).decode("ascii")
