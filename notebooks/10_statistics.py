# %% [markdown]
# # Statistics: a reference
#
# The other notebooks judge what they draw by its statistics. This one shows the statistics
# themselves on measured catalogues, with what the README's table leaves out: shapes, randoms,
# regions and errors. $\xi(r)$, $w_p(r_p)$ and $P(k)$ of a periodic box of galaxies; then the
# redshift-space $\xi(s)$ of a survey by Landy-Szalay, with jackknife errors over regions of the
# sky. Lengths are comoving Mpc/h.
#
# It measures real files where `GALGEN_STATISTICS` in the environment names a folder that has
# them, under the names below: the galaxy mock `gals_Mr19.ff` ($M_r < -19$, 420 Mpc/h, periodic) and
# the randoms `Mr19_randoms_northonly.rdcz.ff`, both among the test data of Corrfunc (Sinha and
# Garrison 2020, arXiv:1911.03545), and as `sdss_dr7.fits` a volume-limited sample of SDSS DR7 in
# its northern sky. Without them a box of the embedded simulator and unclustered points on the sky
# take their places, so that every line still runs.
#
# Less than a minute on two cores, with the files or without.

# %%
import os
from pathlib import Path

import numpy as np
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from matplotlib.ticker import NullFormatter

from galgen import Cosmology, HaloSimulator, power_spectrum, statistics, two_point_correlation
from galgen.plot_style import BASE, HELD_OUT, log_abscissa, new_figure

FOLDER = Path(os.environ.get("GALGEN_STATISTICS", "."))
MOCK = FOLDER / "gals_Mr19.ff"
GALAXIES = FOLDER / "sdss_dr7.fits"
RANDOMS = FOLDER / "Mr19_randoms_northonly.rdcz.ff"


def read_fast_food(path: Path, kind: type, columns: int, header: tuple[int, ...]) -> np.ndarray:
    """Columns of Corrfunc's binary format: records, each with its length before and after."""
    raw = path.read_bytes()
    number = int(np.frombuffer(raw, np.int32, 5, 4)[1])
    start = sum(size + 8 for size in header)
    width = np.dtype(kind).itemsize * number
    starts = [start + 4 + i * (width + 8) for i in range(columns)]
    return np.stack([np.frombuffer(raw, kind, number, at) for at in starts], axis=1)


# %% [markdown]
# ## A periodic box
#
# Pair counts are exact integers by near cells, whatever the number of points; random pairs are
# known analytically: $\xi(r) = DD / RR - 1$ with $RR = N (N - 1)\, V_{shell} / V$. With $r_p$
# across and $\pi$ along the line of sight, $w_p(r_p) = 2 \int_0^{\pi_{max}} \xi(r_p, \pi)\, d\pi$
# hardly knows of velocities. $P(k)$ comes without its shot noise $1/\bar n$, which is drawn beside
# it. Catalogues carry a leading axis, for batches, and a mask where their lengths differ.

# %%
if MOCK.exists():
    side = 420.0
    points = read_fast_food(MOCK, np.float32, 3, (20, 36, 4)).astype(np.float64)[::8]
else:
    side = 128.0
    box = HaloSimulator(box=side, mesh=64, mass_min=1e13)
    points = np.asarray(box.simulate(Cosmology(omega_m=0.3, sigma_8=0.8), seed=1).positions)
    print("no box of galaxies: haloes of the embedded simulator instead")

edges = np.geomspace(0.5 if MOCK.exists() else 3.0, 25.0, 11)
xi = two_point_correlation(points[None], None, edges, side)
wp = statistics.projected_correlation(points[None], None, edges, side, pi_max=40.0)
spectrum = power_spectrum(points[None], None, side, mesh_size=128)

box_figure = new_figure(12, 3.6)
left, middle, right = box_figure.subplots(1, 3)
left.loglog(xi.r, xi.xi[0], "o-", color=HELD_OUT, mfc="white")
left.set(xlabel="r [Mpc/h]", ylabel=r"$\xi(r)$", title=f"{len(points):,} points")
middle.loglog(wp.rp, wp.wp[0], "o-", color=HELD_OUT, mfc="white")
middle.set(xlabel="$r_p$ [Mpc/h]", ylabel="$w_p$ [Mpc/h]")
right.loglog(spectrum.k, spectrum.power[0, 0], color=HELD_OUT)
noise = float(spectrum.shot_noise[0])
right.axhline(noise, color=BASE, ls="--", lw=0.8)
right.set_ylim(bottom=0.05 * noise)
right.set(xlabel="k [h/Mpc]", ylabel="$P_0$ [(Mpc/h)$^3$]", title="dashed: shot noise")
for axes in (left, middle, right):
    log_abscissa(axes)
    axes.yaxis.set_minor_formatter(NullFormatter())
box_figure

# %% [markdown]
# ## A survey
#
# Angles and redshifts become comoving positions by an astropy cosmology. Regions of equal weight
# are cut from the randoms; all jackknife rows come of one pass over the pairs. How a survey is
# made, and what comes back of it, is told in `06_mock_survey`.

# %%
cosmology = FlatLambdaCDM(H0=100.0, Om0=0.25)
if GALAXIES.exists() and RANDOMS.exists():
    catalogue = Table.read(GALAXIES)
    inside = (catalogue["z"] > 0.02) & (catalogue["z"] < 0.067)
    data_sky = [np.asarray(catalogue[name][inside], np.float64) for name in ("ra", "dec", "z")]
    sky = read_fast_food(RANDOMS, np.float64, 3, (20, 36, 4))[::12]
    sky[:, 2] /= 299792.458
    random_sky = list(sky[(sky[:, 2] > 0.02) & (sky[:, 2] < 0.067)].T)
else:
    rng = np.random.default_rng(0)
    shells = np.cbrt(rng.uniform(0.02**3, 0.067**3, (2, 4000)))
    angles = rng.uniform(120, 240, (2, 4000)), np.degrees(np.arcsin(rng.uniform(0, 0.9, (2, 4000))))
    data_sky, random_sky = ([angles[0][i], angles[1][i], shells[i]] for i in (0, 1))
    print("no survey: unclustered points on the sky instead, of xi = 0")

regions = statistics.sky_regions(random_sky[0], random_sky[1], 20)
surveys = [
    statistics.SurveyCatalogue(
        statistics.cartesian_positions(ra, dec, z, cosmology),
        None,
        np.asarray(regions.label(ra, dec)),
    )
    for ra, dec, z in (data_sky, random_sky)
]
survey_edges = np.geomspace(1.0, 25.0, 9)
survey = statistics.landy_szalay(*surveys, survey_edges).correlation()

sky_figure = new_figure(10, 3.6)
chart, curve = sky_figure.subplots(1, 2)
chart.scatter(
    data_sky[0][::8], data_sky[1][::8], s=1, c=regions.label(*data_sky[:2])[::8], cmap="tab20"
)
chart.set(xlabel="RA [deg]", ylabel="Dec [deg]", title="20 regions of equal weight")
for region in range(20):
    inside = regions.label(*data_sky[:2]) == region
    chart.text(*(np.mean(angle[inside]) for angle in data_sky[:2]), str(region), ha="center")
chart.invert_xaxis()
centres = np.sqrt(survey_edges[1:] * survey_edges[:-1])
curve.errorbar(centres, survey.mean, survey.error, fmt="o", color=HELD_OUT, mfc="white", capsize=2)
curve.set(xlabel="s [Mpc/h]", ylabel=r"$\xi(s)$", title="jackknife errors")
curve.set_yscale("symlog", linthresh=0.1)
curve.set_ylim(-2, 20)
curve.axhline(0, color=BASE, ls="--", lw=0.8)
log_abscissa(curve)
sky_figure
