"""One picture of a mock: where on the sky it is, and how many there are at each redshift.

The volume of a bin of redshift is known from the randoms, for any footprint: they were drawn with
the density kappa n(z) C, kappa the number of randoms over that of objects expected, so that::

    V_i = sum over randoms in bin i of 1 / (kappa n(z_j)),    n_i = sum of WEIGHT in bin i / V_i

z_j is the redshift that a random was drawn at. One shuffled from the data has the density of the
data instead, and n_i would be n(z) whatever the data are.
"""

from __future__ import annotations

from pathlib import Path

import healpy
import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from galgen.mocks.survey import MockSurvey
from galgen.publishing import Publication
from galgen.statistics.sky.angular_power import count_map

DATA, TARGET, UNSEEN = "#c8452d", "#1b1b1b", "#eeeeee"
OBJECTS_PER_PIXEL = 16
MOST_POINTS = 20_000
"""More are drawn as a map of their density."""
BINS = 30
STYLE = {"font.size": 9, "axes.linewidth": 0.7, "legend.frameon": False}


def draw_survey(mock: MockSurvey) -> Figure:
    """A Mollweide map of the galaxies, by redshift or density, and n(z) beside it."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 3.8), layout="constrained", facecolor="white")
        grid = figure.add_gridspec(1, 2, width_ratios=(2.1, 1))
        _draw_sky(figure, figure.add_subplot(grid[0], projection="mollweide"), mock)
        _draw_depth(figure.add_subplot(grid[1]), mock)
    return figure


def write_picture(path: Path, mock: MockSurvey) -> None:
    """:func:`draw_survey` as a PNG, whole or not at all."""
    with Publication(path) as publication, matplotlib.rc_context(STYLE):
        file = publication.folder / path.name
        draw_survey(mock).savefig(file, dpi=120, metadata={"Software": None})
        publication.publish(file)


def density_by_redshift(
    mock: MockSurvey, edges: Float[np.ndarray, " edges"]
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """n(z) of the data and its Poisson error in (h/Mpc)³; NaN where there are no randoms."""
    drawn, data = mock.drawn, mock.data
    kappa = len(drawn) / mock.expected
    inverse = 1.0 / (kappa * np.maximum(mock.radial.at(drawn), np.finfo(float).tiny))
    volume = np.histogram(drawn, edges, weights=inverse)[0]
    weight = data.columns["WEIGHT"]
    total = np.histogram(data.columns["Z"], edges, weights=weight)[0]
    squares = np.histogram(data.columns["Z"], edges, weights=weight**2)[0]
    filled = np.where(volume > 0, volume, np.nan)
    return total / filled, np.sqrt(squares) / filled


def _draw_sky(figure: Figure, axes: Axes, mock: MockSurvey) -> None:
    """RA rising to the left, 180 degrees in the middle; grey where the mask sees nothing."""
    angles = mock.data.columns["RA"], mock.data.columns["DEC"]
    axes.set_facecolor(UNSEEN)
    if len(mock.data) <= MOST_POINTS:
        _draw_image(axes, np.where(_seen(mock, _grid()), 0.0, np.nan), ListedColormap(["white"]))
        drawn: ScalarMappable = axes.scatter(
            np.radians(180.0 - angles[0]),
            np.radians(angles[1]),
            c=mock.data.columns["Z"],
            s=np.clip(4e3 / len(mock.data), 0.3, 6.0),
            lw=0,
            cmap="viridis",
        )
        label = "redshift"
    else:
        drawn, label = _draw_image(axes, _density(mock, _grid()), "magma"), "density / mean"
    axes.grid(color="#999999", lw=0.3)
    ticks = np.arange(-120, 121, 60)
    axes.set_xticks(np.radians(ticks), [f"{(180 - t) % 360}°" for t in ticks])
    axes.tick_params(labelsize=7)
    for text in axes.get_xticklabels():
        text.set(path_effects=[withStroke(linewidth=2, foreground="white")], zorder=9)
    axes.set_title(f"{len(mock.data):,} objects, a mask of {mock.mask.area:,.0f} square degrees")
    figure.colorbar(drawn, ax=axes, shrink=0.7, pad=0.02).set_label(label)


def _grid() -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """RA and Dec of the middles of the image's cells; RA falls from left to right."""
    longitude, latitude = np.meshgrid(
        180.0 - np.arange(-179.75, 180, 0.5), np.arange(-89.75, 90, 0.5)
    )
    return longitude, latitude


def _seen(mock: MockSurvey, sky: tuple[np.ndarray, np.ndarray]) -> Bool[np.ndarray, "rows columns"]:
    return mock.mask.at(*sky) > 0


def _density(
    mock: MockSurvey, sky: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, "rows columns"]:
    """Of the data over that of the randoms, in pixels that hold some objects each."""
    share = float(np.mean(mock.mask.completeness > 0))
    pixels = max(len(mock.data) / OBJECTS_PER_PIXEL / share, 12.0)
    nside = int(2 ** np.clip(np.floor(np.log2(np.sqrt(pixels / 12.0))), 0, 7))
    data, randoms = (
        count_map(c.columns["RA"], c.columns["DEC"], nside, c.columns["WEIGHT"])
        for c in (mock.data, mock.randoms)
    )
    mean = randoms * data.sum() / randoms.sum()
    density = np.where(mean > 0, data / np.where(mean > 0, mean, 1.0), np.nan)
    image = density[healpy.ang2pix(nside, *sky, lonlat=True)]
    return np.where(_seen(mock, sky), image, np.nan)


def _draw_image(
    axes: Axes, image: Float[np.ndarray, "rows columns"], colours: str | Colormap
) -> QuadMesh:
    finite = image[np.isfinite(image)]
    top = max(2.0, float(np.percentile(finite, 99))) if finite.size else 2.0
    return axes.pcolormesh(
        np.radians(np.linspace(-180, 180, 721)),
        np.radians(np.linspace(-90, 90, 361)),
        np.ma.masked_invalid(image),
        cmap=colours,
        vmin=0.0,
        vmax=top,
        rasterized=True,
    )


def _draw_depth(axes: Axes, mock: MockSurvey) -> None:
    low, high = float(mock.drawn.min()), float(mock.drawn.max())
    edges = np.linspace(low, np.nextafter(high, np.inf), BINS + 1)
    density, error = density_by_redshift(mock, edges)
    middle = (edges[1:] + edges[:-1]) / 2
    fine = np.linspace(low, high, 400)
    axes.plot(fine, 1e4 * mock.radial.at(fine), color=TARGET, label="target")
    axes.errorbar(
        middle, 1e4 * density, 1e4 * error, fmt="o", ms=3.5, mfc="white", color=DATA, label="mock"
    )
    axes.set(xlabel="redshift", ylabel="n(z) [10⁻⁴ h³/Mpc³]", ylim=(0, None))
    axes.legend()
