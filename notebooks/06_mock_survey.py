# %% [markdown]
# # A mock survey, and its clustering back
#
# A simulation knows all three coordinates of every galaxy, in a periodic box. A survey knows two
# angles and a redshift, inside a mask, of those galaxies that had a fibre. This notebook goes all
# the way from the first to a file of the second, and measures the clustering from the file alone.
# What comes back must be that of the box, within the errors that the survey itself gives: so a
# pipeline is tested before the sky is measured with it. The way there: galaxies in haloes, redshift
# space, a mask, fibres, FITS files, Landy and Szalay, and at the end Kaiser's formula.
#
# About a minute on two cores. Lengths are comoving Mpc/h, velocities km/s, masses Msun/h.

# %%
import dataclasses
import tempfile
from pathlib import Path

import healpy
import numpy as np
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits
from astropy.table import Table

from galgen import Cosmology, HaloSimulator, mocks, simulation, statistics
from galgen.plot_style import BASE, GENERATED, HELD_OUT, log_abscissa, new_figure

folder = Path(tempfile.mkdtemp())
cosmology = Cosmology()
distances = FlatLambdaCDM(H0=100, Om0=cosmology.omega_m, Tcmb0=0)

# %% [markdown]
# ## Haloes, and galaxies in them
#
# The box is a snapshot at $z = 0.5$, in the middle of the survey to come. A halo of mass $M$ hosts
# a central galaxy with a chance that rises from 0 to 1 around $M_{\min}$, and then a Poisson
# number of satellites of mean $((M - M_0) / M_1)^\alpha$ (Zheng, Coil and Zehavi 2007,
# astro-ph/0703457). Satellites follow the halo's density profile and move in its potential.

# %%
simulator = HaloSimulator(box=512.0, mesh=256, mass_min=1e13, redshift=0.5)
haloes = simulator.simulate(cosmology, seed=6)
occupation = mocks.HaloOccupation(13.15, 0.15, 13.15, 14.0, 1.0)  # log M_min, its width, ...
box = mocks.populate(haloes, occupation, seed=6)
print(
    f"{len(haloes)} haloes, {len(box)} galaxies, {np.mean(~box.column('central')):.0%} satellites"
)
box

# %% [markdown]
# ## Redshift space
#
# An observer takes the redshift for the distance. A peculiar velocity $v$ along the line of sight
# moves a galaxy there by $v / (aH)$, 1 Mpc/h for about 90 km/s at $z = 0.5$. Infall on large
# scales flattens structure along the line of sight (Kaiser 1987); motion of satellites in their
# haloes draws it out into "fingers of god". Below, the observer is far to the left.


# %%
def seen_along(axis):
    """Positions in redshift space, of a distant observer along an axis of the box."""
    of_box = box.positions, box.velocities, box.box, cosmology.omega_m, box.redshift
    return np.asarray(statistics.redshift_space_positions(*of_box, axis))


real, redshifted = box.positions, seen_along(0)
slab_figure = new_figure(9.5, 5.2)
panels = slab_figure.subplots(1, 2, sharex=True, sharey=True)
slab = (real[:, 2] < 60.0) & (np.abs(real - redshifted)[:, 0] < 50.0)
panels[1].hlines(real[slab, 1], real[slab, 0], redshifted[slab, 0], color=BASE, linewidth=0.7)
titles = "real space", "redshift space, seen along x; lines: the shifts"
for panel, positions, title in zip(panels, (real, redshifted), titles, strict=True):
    panel.plot(*positions[slab, :2].T, ".", markersize=3, color=HELD_OUT)
    panel.set(title=title, xlabel="x [Mpc/h]", aspect="equal", xlim=(0, 160), ylim=(0, 160))
panels[0].set_ylabel("y [Mpc/h], 60 Mpc/h thick")
slab_figure

# %% [markdown]
# ## The mask
#
# A HEALPix map (Gorski et al. 2005, astro-ph/0409513) of completeness: the chance, in each pixel,
# that a galaxy there has a redshift. Ours is a disc of 10 degrees, more complete in the east than
# in the west, with a hole for a bright star. At the distance of the survey the disc is narrower
# than the box, so that no galaxy is seen twice.

# %%
CENTRE, STAR, NSIDE = (160.0, 25.0), (164.0, 28.0), 128
disc, hole = (
    healpy.query_disc(NSIDE, healpy.ang2vec(*place, lonlat=True), np.radians(radius))
    for place, radius in ((CENTRE, 10.0), (STAR, 1.5))
)
completeness = np.zeros(healpy.nside2npix(NSIDE))
completeness[disc] = 0.85 + 0.013 * (healpy.pix2ang(NSIDE, disc, lonlat=True)[0] - CENTRE[0])
completeness[hole] = 0.0
mask = mocks.SkyMask.from_ring(completeness)

# %% [markdown]
# ## The survey, with and without fibre collisions
#
# $n(z)$ rises and falls, as where targets are cut at a flux. The observer stands where `Viewpoint`
# says and looks along the box's x axis, which is turned to the middle of the mask. In one of two
# surveys of the same sky every target has its redshift. In the other, of two galaxies nearer on the
# sky than 62 arcseconds (0.4 Mpc/h here) only one gets a fibre, and carries the weight of both.

# %%
radial = mocks.RadialSelection((0.45, 0.48, 0.52, 0.55), (1.4e-4, 2.8e-4, 2.8e-4, 1.4e-4))
survey = mocks.Survey(
    redshifts=(0.45, 0.55),
    viewpoint=mocks.Viewpoint(observer=(0.2, 0.7, 0.4), toward=CENTRE),
    mask=mask,
    radial=radial,
    randoms=mocks.RandomRecipe(times=20),
)
mock = survey.observe([box], seed=1)
collided = dataclasses.replace(survey, collisions=mocks.FibreCollisions(separation=62.0))
mock_with_fibres = collided.observe([box], seed=1)
print(f"{len(mock.data)} galaxies on {mask.area:.0f} square degrees, {len(mock.randoms)} randoms")
print(f"lost to fibres: {1 - len(mock_with_fibres.data) / len(mock.data):.1%}")

# %%
sky = mock.data
depth = statistics.redshift_distribution(
    sky.column("Z"), np.linspace(0.45, 0.55, 16), distances, mask.area
)
survey_figure = new_figure(10, 4)
chart, density = survey_figure.subplots(1, 2)
grid = np.meshgrid(np.linspace(148, 172, 400), np.linspace(14, 36, 400))
shade = chart.pcolormesh(*grid, np.ma.masked_equal(mask.at(*grid), 0), cmap="Greys", vmin=0, vmax=2)
survey_figure.colorbar(shade, ax=chart, label="completeness", boundaries=[0.7, 0.8, 0.9, 1.0])
chart.plot(sky.column("RA"), sky.column("DEC"), ".", markersize=1.2, color=GENERATED)
chart.set(xlabel="right ascension [deg]", ylabel="declination [deg]", xlim=(172, 148))
chart.set_aspect(1 / np.cos(np.radians(CENTRE[1])))
mean, error = 1e4 * depth.density, 1e4 * depth.error
density.errorbar(depth.redshift, mean, error, fmt="o", mfc="white", color=GENERATED)
density.plot(radial.redshift, 1e4 * np.array(radial.density), color=HELD_OUT)
density.set(xlabel="redshift", ylabel="n(z) [$10^{-4}$ (h/Mpc)$^3$]", ylim=(0, None))
density.set_title("line: wanted; circles: found, Poisson errors")
survey_figure

# %% [markdown]
# They scatter by more than Poisson errors: by structure.
#
# ## Files
#
# Data and randoms go to FITS tables with the column names of BOSS and DESI, and are read back with
# astropy, as any other pipeline would. `WEIGHT` is that of completeness, here of fibres;
# `WEIGHT_FKP` is $1 / (1 + n(z) P_0)$ (Feldman, Kaiser and Peacock 1994, astro-ph/9304022), which
# holds back dense regions, where more galaxies only measure the same structure again. `Z_COSMO`,
# the redshift without the velocity, only a mock knows.

# %%
for name, one in (("complete", mock), ("fibres", mock_with_fibres)):
    mocks.write_sky_catalogue(folder / f"{name}_data.fits", one.data)
    mocks.write_sky_catalogue(folder / f"{name}_randoms.fits", one.randoms)
with fits.open(folder / "fibres_data.fits") as file:
    print({column.name: column.unit or "" for column in file["LSS"].columns})
data = Table(fits.getdata(folder / "fibres_data.fits"))
data[:5]

# %% [markdown]
# ## Landy and Szalay
#
# From here on only the files count. Angles and redshifts become positions by a cosmology, here the
# true one: another would stretch the map. With pair counts normalised by the sums of weights, data
# with data (DD), data with randoms (DR) and randoms with randoms (RR) (Landy and Szalay 1993),
#
# $$ \hat\xi(s, \mu) = \frac{DD - 2\,DR + RR}{RR}, \qquad
#    \xi_\ell(s) = (2\ell + 1) \int_0^1 \hat\xi(s, \mu)\, L_\ell(\mu)\, d\mu , $$
#
# where $s$ is the separation of a pair, $\mu$ the cosine of its angle with the line of sight to
# its middle, and $L_\ell$ a Legendre polynomial. The randoms carry the mask and $n(z)$, so that
# the shape of the survey drops out. Errors are of the delete-one jackknife: the sky is cut in $n$
# regions of equal area, $\xi_{(k)}$ is measured without region $k$, and (Norberg et al. 2009,
# arXiv:0810.1885)
#
# $$ C = \frac{n-1}{n} \sum_k (\xi_{(k)} - \bar\xi) (\xi_{(k)} - \bar\xi)^T . $$

# %%
REGIONS, SEPARATIONS = 25, np.array([2.0, 4.0, 7.0, 11.0, 16.0, 22.0, 30.0])
BINS = statistics.AngleBins(tuple(SEPARATIONS), 20, line_of_sight=None)


def multipoles_of(name):
    """xi_0 and xi_2 of a survey, from its files."""
    tables = [Table(fits.getdata(folder / f"{name}_{what}.fits")) for what in ("data", "randoms")]
    regions = statistics.sky_regions(tables[1]["RA"], tables[1]["DEC"], REGIONS, nside=NSIDE)
    points = [
        statistics.pairs.SurveyCatalogue(
            statistics.cartesian_positions(table["RA"], table["DEC"], table["Z"], distances),
            np.asarray(table["WEIGHT"] * table["WEIGHT_FKP"]),
            regions.label(table["RA"], table["DEC"]),
        )
        for table in tables
    ]
    return statistics.pairs.landy_szalay(*points, BINS).multipoles((0, 2))


found = {name: multipoles_of(name) for name in ("complete", "fibres")}

# %% [markdown]
# ## Against the box
#
# The box needs no randoms: it is periodic, and its random pairs are known exactly. All of it, seen
# by a distant observer along x, is the truth; the survey has a quarter of its volume, so that its
# errors are mostly those of that quarter, and stay when there are more randoms. The survey's $\mu$
# is that of each pair from the observer; 10 degrees are narrow enough to make no difference.

# %%
of_box = statistics.pairs.correlation_multipoles(
    redshifted[None], None, SEPARATIONS, box.box, 20, (0, 2), line_of_sight=0
).multipoles[0]
of_real = np.asarray(
    statistics.pairs.two_point_correlation(real[None], None, SEPARATIONS, box.box).xi[0]
)
s = (SEPARATIONS[1:] + SEPARATIONS[:-1]) / 2
pulls = {name: (one.mean - of_box) / one.error for name, one in found.items()}

comparison_figure = new_figure(10, 4.8)
panels = comparison_figure.subplots(2, 2, sharex=True, height_ratios=(2.5, 1))
panels[0, 0].plot(s, s**2 * of_real, "--", color=BASE, label="box, real space")
for ell, above, below in zip((0, 2), *panels, strict=True):
    row = ell // 2
    above.plot(s, s**2 * of_box[row], color=HELD_OUT, label="box, redshift space")
    below.axhspan(-1, 1, color="0.85", lw=0)
    for name, marker, shift in (("complete", "o", 0.98), ("fibres", "^", 1.02)):
        mean, error = s**2 * found[name].mean[row], s**2 * found[name].error[row]
        kind = {"fmt": marker, "mfc": "white", "color": GENERATED, "label": f"survey, {name}"}
        above.errorbar(shift * s, mean, error, **kind)
        below.plot(shift * s, pulls[name][row], marker, mfc="white", color=GENERATED)
    above.set_ylabel(rf"$s^2 \xi_{ell}(s)$ [(Mpc/h)$^2$]")
    below.set(xlabel="s [Mpc/h]", ylabel="difference / error", ylim=(-8, 8))
    log_abscissa(below)
panels[0, 0].legend()
for name, pull in pulls.items():
    print(f"{name}: rms of difference / error {np.sqrt(np.mean(pull**2)):.2f} in {pull.size} bins")
comparison_figure

# %% [markdown]
# The complete survey has what the box has. Fibres lose pairs along the line of sight, less than 0.4
# Mpc/h apart across it and any distance along it; the weight goes to a neighbour, where it makes no
# pair. So the fingers of god lose their tips, and the quadrupole is too negative far beyond 0.4
# Mpc/h. Surveys weigh pairs to mend it, or leave out what is so close across the line of sight.

# %% [markdown]
# ## Kaiser's factor, and where it ends
#
# In linear theory the monopole in redshift space is that of real space times (Kaiser 1987)
#
# $$ K = 1 + \tfrac{2}{3} \beta + \tfrac{1}{5} \beta^2, \qquad \beta = f / b , $$
#
# with $f = d \ln D / d \ln a$ the growth rate and $b$ the bias, here from $b^2 = \xi(r) /
# \xi_{lin}(r)$ between 11 and 30 Mpc/h. The box has both monopoles for the same galaxies, so that
# most of the sample variance drops out; three lines of sight are taken.

# %%
k = np.geomspace(1e-4, 20.0, 4000)
linear_power = simulation.LinearPower(cosmology, box.redshift)(k) * np.exp(-((0.5 * k) ** 2))
linear_xi = np.trapezoid(k**3 * linear_power * np.sinc(np.outer(s, k) / np.pi), np.log(k), axis=1)
linear_xi /= 2 * np.pi**2
large = s > 11
bias = np.sqrt(np.sum(of_real[large]) / np.sum(linear_xi[large]))
beta = cosmology.growth_rate(box.redshift) / bias
kaiser = 1 + 2 * beta / 3 + beta**2 / 5

each = [
    statistics.pairs.two_point_correlation(seen_along(axis)[None], None, SEPARATIONS, box.box).xi[0]
    / of_real
    for axis in range(3)
]
ratio, scatter = np.mean(each, axis=0), np.std(each, axis=0, ddof=1) / np.sqrt(3)
print(f"bias {bias:.2f}, beta {beta:.2f}, Kaiser {kaiser:.3f}")

kaiser_figure = new_figure(5.5, 3.6)
axes = kaiser_figure.subplots()
axes.axhline(kaiser, color=HELD_OUT, label="linear theory")
axes.errorbar(s, ratio, scatter, fmt="o", mfc="white", color=GENERATED, label="box")
axes.set(xlabel="s [Mpc/h]", ylabel=r"$\xi_0(s) / \xi(r)$")
log_abscissa(axes)
axes.legend()
kaiser_figure

# %% [markdown]
# Beyond 8 Mpc/h the formula holds to a few per cent, in this one box. Closer it fails: pairs within
# a halo, less than 2 Mpc/h apart, are strewn along the line of sight by hundreds of km/s, and add
# to the few at 3 Mpc/h, which linear theory does not know. Besides, xi of this simulator is less
# sure below 8 Mpc/h. Of a survey this ratio cannot be formed: nobody sees real space. Its
# quadrupole over its monopole is what tells of $\beta$.
