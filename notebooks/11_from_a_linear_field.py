# %% [markdown]
# # From a linear field to haloes, and back
#
# The noise that a universe comes of is its initial conditions. A model that takes the linear field
# in and gives haloes out has the large scales right in boxes of any size, and what is asked of
# simulations can be asked of it: the same universe under other laws, means of many boxes from few,
# and the initial conditions that a catalogue came of. The trained model comes with galgen.
#
# About six minutes on two cores. `GALGEN_STEPS` in the environment shortens the Monte Carlo.

# %%
import os

import blackjax
import jax
import jax.numpy as jnp
import numpy as np

from galgen import (
    Cosmology,
    Run,
    data,
    inference,
    power_spectrum,
    sample,
    simulation,
    statistics,
)
from galgen.plot_style import BAND, GENERATED, HELD_OUT, new_figure

few = int(os.environ.get("GALGEN_STEPS", "4000")) < 500
haloes = Run.load("haloes-nbody")
planck = {"omega_m": 0.31, "omega_b": 0.049, "h": 0.67, "n_s": 0.96, "sigma_8": 0.81}
haloes

# %% [markdown]
# ## One universe under two laws
#
# Phases come of the seed and the box. So the same seed gives the same universe at another
# $\sigma_8$: filaments stay, haloes come and go. Both have haloes of the same least mass.

# %%
SIDE = 200.0 if few else 250.0
laws = {value: planck | {"sigma_8": value, "minimum_mass": 1.0e14} for value in (0.75, 0.87)}
universes = {value: sample(haloes, [law], box=SIDE, seed=3)[0] for value, law in laws.items()}
slices = new_figure(8, 4)
for axes, (value, one) in zip(slices.subplots(1, 2, sharey=True), universes.items(), strict=True):
    inside = one.positions[:, 2] < 60.0
    x, y = one.positions[inside, :2].T
    axes.scatter(x, y, s=4e-14 * one.columns["mass"][inside], color=GENERATED, lw=0)
    axes.set(title=f"$\\sigma_8 = {value}$: {len(one)} haloes", xlabel="x [Mpc/h]", aspect="equal")
slices

# %% [markdown]
# ## The mean power of many boxes, from few
#
# The power of haloes in a box scatters with the few long modes that the box happens to have. The
# linear field has them too, and its mean power is known. So take out what the field explains
# (control variates; Chartier et al. 2021, arXiv:2009.08970, eq. 4), with $\beta$ the regression of
# one on the other:
#
# $$ \hat P = \overline{P - \beta\,(P_L - \langle P_L \rangle)}. $$
#
# *Paired* fields, $\delta$ and $-\delta$ (Angulo and Pontzen 2016, arXiv:1603.05253), cancel terms
# of odd order as well.

# %%
EDGES = np.array([0.02, 0.04, 0.06, 0.08, 0.11, 0.15, 0.2])
PAIRS, MESH, cosmology = (4 if few else 12), 96, Cosmology(**planck)
fields = [simulation.linear_field(cosmology, seed, SIDE, MESH) for seed in range(PAIRS)]
paired = [data.Field(sign * one.values, SIDE) for one in fields for sign in (1.0, -1.0)]
drawn = sample(haloes, [planck] * len(paired), fields=paired)

of_haloes = np.array(
    [
        power_spectrum(one.positions[None], None, one.box, MESH, EDGES, multipoles=(0,)).power[0, 0]
        for one in drawn
    ]
)


def linear_power(seed):
    values = simulation.linear_field(cosmology, seed, SIDE, MESH).values
    return statistics.field_power_spectrum(values[None], (SIDE,) * 3, EDGES, multipoles=(0,)).power[
        0, 0
    ]


# A field costs no draw: the mean of many is as good as known.
of_fields = np.array([linear_power(seed) for seed in range(1000, 1050 if few else 1400)])
known = of_fields.mean(axis=0)
of_pairs = of_haloes.reshape(PAIRS, 2, -1).mean(axis=1)
of_phases = np.array([linear_power(seed) for seed in range(PAIRS)])


def without_scatter(power, linear):
    """Each box's power, less what its linear field explains, by its own regression."""
    centred = linear - known
    beta = np.sum(centred * (power - power.mean(axis=0)), axis=0) / np.sum(
        centred * (linear - linear.mean(axis=0)), axis=0
    )
    return power - beta * centred


scatter = {
    "boxes": of_haloes[::2].std(axis=0, ddof=1),
    "control variates": without_scatter(of_haloes[::2], of_phases).std(axis=0, ddof=2),
    "pairs with them": without_scatter(of_pairs, of_phases).std(axis=0, ddof=2),
}
middle, mean = (EDGES[1:] + EDGES[:-1]) / 2, of_haloes.mean(axis=0)
gain_figure = new_figure(5, 3.4)
axes = gain_figure.subplots()
for (name, value), color in zip(scatter.items(), (HELD_OUT, GENERATED, BAND), strict=True):
    axes.plot(middle, 100 * value / mean, "o-", color=color, label=name)
axes.set(xlabel="k [h/Mpc]", ylabel="scatter of P of one [%]", yscale="log")
axes.legend()
fewer = (scatter["boxes"] / scatter["control variates"]) ** 2
print("boxes that one with a control variate stands for:", fewer.round(1))
gain_figure

# %% [markdown]
# ## Back: the initial conditions of a catalogue
#
# The number of haloes that the network expects in each cell, $\lambda$, is a differentiable
# function of white noise $w$. For independent births
#
# $$ \log p(w \mid \text{cells}) = \sum_i \log \lambda_i(w) - \sum \lambda(w) - |w|^2 / 2 $$
#
# is a posterior with one parameter for each cell, and Hamiltonian Monte Carlo (Neal 2011,
# arXiv:1206.1901) follows its gradient. On a toy of 32³ cells, whose haloes are drawn of the same
# intensity, it can be held to its truth.

# %%
R = cosmology.lagrangian_radius(haloes.encoding.usual_mass(planck))
POINTS = 16 if few else 32
intensity = inference.LagrangianIntensity.of(
    haloes, planck, POINTS * haloes.encoding.units.cell * R
)
rng = np.random.default_rng(1)
truth = rng.standard_normal((intensity.mesh,) * 3, dtype=np.float32)
counts = rng.poisson(np.exp(jax.jit(intensity)(truth)))
cells = jnp.asarray(np.repeat(np.argwhere(counts), counts[counts > 0], axis=0))
print(f"{len(cells)} haloes in {intensity.mesh}^3 cells, {intensity.box:.0f} Mpc/h")

DRAWS, WARMUP, LEAPS = (40, 40, 8) if few else (200, 100, 12)
hmc = blackjax.hmc
kernel = hmc.build_kernel()


@jax.jit
def chain(key, start):
    """Draws of the noise, and how many steps were accepted; the step size is adapted first."""

    def log_density(noise):
        return intensity.log_posterior(noise, cells)

    def move(state, key, size):
        key_size, key_step = jax.random.split(key)
        size = size * jax.random.uniform(key_size, (), minval=0.7, maxval=1.3)
        unit = jnp.ones(truth.size)
        return kernel(key_step, state, log_density, size, unit, LEAPS)

    def adapt(carry, key):
        state, size = carry
        state, info = move(state, key, size)
        return (state, size * jnp.exp(0.2 * (info.acceptance_rate - 0.8))), None

    def draw(state, key):
        state, info = move(state, key, size)
        return state, (state.position, info.acceptance_rate)

    key_warmup, key_draws = jax.random.split(key)
    state = hmc.init(start, log_density)
    (state, size), _ = jax.lax.scan(adapt, (state, 0.05), jax.random.split(key_warmup, WARMUP))
    _, (noise, accepted) = jax.lax.scan(draw, state, jax.random.split(key_draws, DRAWS))
    return noise, jnp.mean(accepted), size


key_start, key_chain = jax.random.split(jax.random.key(2))
noises, accepted, size = chain(key_chain, jax.random.normal(key_start, truth.shape))
print(f"step {size:.3f}, accepted {accepted:.2f}")

# %% [markdown]
# ### Are its modes covered?
#
# For every long mode of the noise, the rank of the truth among draws must be uniform, and errors in
# units of the posterior's width must have unit variance. Where haloes say much the posterior is
# narrower than the prior; elsewhere it is the prior, and as honest.


# %%
def long_modes(noise):
    """Real and imaginary parts of the modes up to |n| = 4, of unit variance before data."""
    modes = np.fft.rfftn(noise, axes=(-3, -2, -1)) / np.sqrt(noise[0].size / 2)
    n = np.fft.fftfreq(intensity.mesh, 1 / intensity.mesh)
    length = n[:, None, None] ** 2 + n[:, None] ** 2 + n[: intensity.mesh // 2 + 1] ** 2
    # Of a pair k, -k in the plane n_z = 0 one is left.
    chosen = (length > 0) & (length <= 16) & (np.arange(intensity.mesh // 2 + 1) > 0)
    found = modes[:, chosen]
    return np.concatenate([found.real, found.imag], axis=1)


posterior, true = long_modes(np.asarray(noises)), long_modes(truth[None])[0]
deviation = (true - posterior.mean(axis=0)) / posterior.std(axis=0)
ranks = np.mean(posterior < true, axis=0)
told = 1 - posterior.var(axis=0).mean()
print(f"{len(true)} modes: rms deviation {deviation.std():.2f} of the posterior's width, ")
print(f"{np.mean(np.abs(deviation) < 1):.2f} within one; {told:.0%} of their variance is known")
coverage_figure = new_figure(5, 3.4)
axes = coverage_figure.subplots()
axes.plot(np.sort(ranks), (np.arange(len(ranks)) + 0.5) / len(ranks), color=GENERATED)
axes.plot([0, 1], [0, 1], color=HELD_OUT, linestyle="--")
axes.set(xlabel="rank of the truth", ylabel="fraction of modes below", aspect="equal")
coverage_figure

# %% [markdown]
# The mean of the posterior is the best map of the initial density that the haloes allow; here,
# smoothed over two cells and cut through the densest place, beside the truth.


# %%
def smoothed(noise):
    modes = np.fft.rfftn(noise) * np.asarray(intensity.filters[0])
    n2 = sum(
        k**2 for k in np.ix_(*[np.fft.fftfreq(intensity.mesh)] * 2, np.fft.rfftfreq(intensity.mesh))
    )
    return np.fft.irfftn(modes * np.exp(-2 * (2 * np.pi) ** 2 * n2), noise.shape, (0, 1, 2))


maps = {"truth": smoothed(truth), "mean of the posterior": smoothed(np.mean(noises, axis=0))}
level = int(np.argmax(maps["mean of the posterior"].max(axis=(0, 1))))
correlation = np.corrcoef(*(one.ravel() for one in maps.values()))[0, 1]
print(f"correlation of both maps: {correlation:.2f}")
map_figure = new_figure(8, 3.8)
for axes, (name, values) in zip(map_figure.subplots(1, 2, sharey=True), maps.items(), strict=True):
    axes.imshow(values[:, :, level].T, origin="lower", cmap="RdBu_r", vmin=-1, vmax=1)
    near = np.abs(np.asarray(cells[:, 2]) - level) <= 2
    axes.plot(*np.asarray(cells[near, :2]).T, ".", color="k")
    axes.set(title=name, xlabel="cells")
map_figure
