# %% [markdown]
# # Bridges in the plane
#
# Every generative model here is a **bridge**: a law for how points of a *base* that is easy to
# draw from become points of the *data*. Time `t` runs from 0 (base) to 1 (data). Families differ
# in what is fixed and what is learned:
#
# | family | fixed | learned |
# |---|---|---|
# | Box-Muller | all of it | nothing |
# | coupling and autoregressive flows | that every layer can be inverted | the layers |
# | continuous flow | the base | the velocity of every point, by likelihood |
# | flow matching | the path of every pair (base, data) | the mean velocity of the paths |
# | stochastic interpolant | path and noise of every pair | the mean velocity and the noise |
# | diffusion | how noise covers the data | the noise that was added |
#
# About five minutes on two cores. `GALGEN_STEPS` in the environment shortens every training.

# %%
import itertools
import os
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from galgen import (
    Bridge,
    Experiment,
    Sampler,
    Trainer,
    data,
    generative,
    networks,
    sample_trajectory,
)
from galgen.plot_style import BASE, GENERATED, HELD_OUT, new_figure

STEPS = int(os.environ.get("GALGEN_STEPS", "4000"))
folder = Path(tempfile.mkdtemp())
toy = data.EightGaussians()
examples = data.ToyDataset(toy)


def train(name, network, model, sampler):
    """A run of one family on the eight Gaussians."""
    trainer = Trainer(steps=STEPS, batch_size=512, learning_rate=2e-3, checkpoint_every=STEPS)
    return Experiment(examples, network, model, sampler, trainer).train(folder / name)


def stages(run, number=400, times=(0.0, 0.33, 0.67, 1.0)):
    """Where particles are at some times on their way."""
    states = sample_trajectory(run, [{}] * number)
    return [np.stack(states[round(t * (len(states) - 1))]) for t in times]


def draw_bridge(title, clouds, truth):
    """Particles crossing the bridge, and the data they should end as."""
    figure = new_figure(11, 2.6)
    panels = figure.subplots(1, len(clouds) + 1, sharex=True, sharey=True)
    for panel, cloud, place in zip(panels, clouds, np.linspace(0, 1, len(clouds)), strict=False):
        panel.plot(*cloud.T, ".", markersize=2, color=BASE if place == 0 else GENERATED)
        panel.set_title("base" if place == 0 else "generated" if place == 1 else f"{place:.0%}")
    for first, second in itertools.pairwise(clouds):
        for a, b in list(zip(first, second, strict=True))[:25]:
            panels[-2].plot(*zip(a, b, strict=True), "-", color=BASE, linewidth=0.3, zorder=0)
    panels[-1].plot(*truth.T, ".", markersize=2, color=HELD_OUT)
    panels[-1].set(title="data", xlim=(-9, 9), ylim=(-9, 9))
    for panel in panels:
        panel.set(aspect="equal", xlabel="x")
    panels[0].set_ylabel("y")
    figure.suptitle(title)
    return figure


truth = toy.sample(np.random.default_rng(1), 400)

# %% [markdown]
# ## 1934 to 1958: a bridge with nothing to learn
#
# Two uniform numbers $u, v$ become two independent normal ones (Box and Muller 1958; the idea is
# in Paley and Wiener 1934):
#
# $$ x = \sqrt{-2 \ln u}\,\cos 2\pi v, \qquad y = \sqrt{-2 \ln u}\,\sin 2\pi v . $$
#
# The change of variables gives the density. The Jacobian determinant of $(u, v) \to (x, y)$ is
# $2\pi/u$ in size, so $p(x, y) = u / 2\pi = e^{-(x^2 + y^2)/2} / 2\pi$: a normalizing flow.

# %%
box_muller = generative.BoxMuller()
u = jax.random.uniform(jax.random.key(0), (2000, 2), minval=1e-6)
normal, log_determinant = box_muller.apply({}, u, method="forward")
normal_log_density = -0.5 * jnp.sum(normal**2, axis=-1) - jnp.log(2 * jnp.pi)
print("largest error of log p:", float(jnp.max(jnp.abs(-log_determinant - normal_log_density))))
print("mean and variance:", np.round(np.mean(normal, 0), 2), np.round(np.var(normal, 0), 2))

# %% [markdown]
# ## Normalizing flows: layers that can be inverted
#
# A stack of invertible layers $x = f_L \circ \dots \circ f_1(z)$ with $z$ normal has $\log p(x) =
# \log p(z) - \sum_l \log |\det \partial f_l|$, which is made large on the data. A *coupling*
# layer changes half of the coordinates by a function of the other half (Dinh et al. 2017), here a
# monotone spline (Durkan et al. 2019); an *autoregressive* one changes each by those before it
# (Papamakarios et al. 2017). Both have triangular Jacobians.

# %%
flow = train(
    "spline",
    generative.coupling_flow(generative.RationalQuadraticSpline(), layers=4),
    generative.MaximumLikelihood(),
    generative.FlowSampler(),
)
autoregressive = train(
    "autoregressive",
    generative.masked_autoregressive_flow(generative.Affine(), layers=6),
    generative.MaximumLikelihood(),
    generative.FlowSampler(),
)
spline_figure = draw_bridge("spline coupling flow, layer by layer", stages(flow), truth)
spline_figure

# %%
autoregressive_figure = draw_bridge(
    "affine autoregressive flow, layer by layer", stages(autoregressive), truth
)
autoregressive_figure

# %% [markdown]
# ## Continuous flows: a velocity instead of layers
#
# $\mathrm{d}x/\mathrm{d}t = v(x, t)$ carries density along by $\mathrm{d} \log p / \mathrm{d}t =
# -\nabla \cdot v$ (Chen et al. 2018). A **continuous flow** learns $v$ by likelihood, and solves
# the equation at every step of training. **Flow matching** (Lipman et al. 2022) does not: pair a
# base point $x_0$ with a data point $x_1$, take the straight path $x_t = (1 - t) x_0 + t x_1$,
# and regress its velocity $x_1 - x_0$. The minimum of the squared error is the mean velocity of
# all paths through a place, and that flow has the right density at each $t$.

# %%
matching = train(
    "matching", networks.MLP(width=64), Bridge(generative.LinearPath()), Sampler(steps=32)
)
matching_figure = draw_bridge("flow matching", stages(matching), truth)
matching_figure

# %% [markdown]
# ## Diffusion: cover the data with noise, learn to take it off
#
# $x_t = \alpha(t) x_1 + \sigma(t) \epsilon$ with $\alpha^2 + \sigma^2 = 1$ (variance preserving,
# Song et al. 2021). Whatever the network predicts is solved for $\epsilon$; the score is
# $-\epsilon / \sigma$, and the same deterministic flow as above draws. Predicting $\epsilon$ itself
# leaves points astray where $\alpha$ is small and its error is divided by it. Here the network
# predicts a mixture of $\epsilon$ and $x_1$ that has unit variance at every $t$ and amplifies no
# error (Karras et al. 2022, arXiv:2206.00364).

# %%
diffusion = train(
    "diffusion",
    networks.MLP(width=64),
    Bridge(generative.VariancePreserving(), prediction=generative.PreconditionedPrediction()),
    Sampler(steps=32),
)
diffusion_figure = draw_bridge("diffusion, by its probability flow", stages(diffusion), truth)
diffusion_figure

# %% [markdown]
# ## Stochastic interpolants: from any base to any data
#
# The base need not be normal. An interpolant (Albergo et al. 2023) goes from moons to Gaussians,
# with noise on the way: $x_t = (1 - t) x_0 + t x_1 + \gamma(t) z$, $\gamma(0) = \gamma(1) = 0$.

# %%
moons = data.TwoMoons().sample(np.random.default_rng(2), 20_000)
scale = matching.encoding.scale
base = generative.Empirical.of((moons / scale).astype(np.float32))
interpolant = train(
    "interpolant",
    networks.MLP(width=64),
    Bridge(generative.StochasticInterpolant(base, scale=0.5)),
    Sampler(steps=32),
)
interpolant_figure = draw_bridge("stochastic interpolant: moons", stages(interpolant), truth)
interpolant_figure

# %% [markdown]
# ## Exact densities beside learned ones
#
# The density of eight Gaussians is known. A normalizing flow gives $\log p$ directly; for a flow
# in continuous time the equation above is integrated backwards from the data, with the exact
# divergence in two dimensions.

# %%
exact = generative.GaussianMixture.circle(radius=5.0, std=0.1**0.25)


def exact_log_density(x):
    """log p of the eight Gaussians."""
    return np.asarray(exact.log_density(jnp.asarray(x, jnp.float32)))


side = np.linspace(-8, 8, 50)
grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
fresh = toy.sample(np.random.default_rng(3), 500)


def log_density(run, x):
    """log p in the data's units, of either kind of flow."""
    experiment, unit = run.experiment, run.encoding.scale
    standard = jnp.asarray((x - run.encoding.mean) / unit, jnp.float32)
    trained = experiment.model.with_params(experiment.network, run.params)
    if isinstance(experiment.model, generative.MaximumLikelihood):
        value = trained.log_prob(standard)
    else:
        likelihood = generative.Likelihood(solver=generative.FixedSteps(24))
        value = likelihood(trained, jax.random.key(0), standard).value
    return np.asarray(value) - 2 * np.log(unit)


places = np.concatenate([grid, fresh])
log_densities = {"exact": exact_log_density(places)} | {
    name: log_density(run, places)
    for name, run in (
        ("spline flow", flow),
        ("autoregressive flow", autoregressive),
        ("flow matching", matching),
        ("diffusion", diffusion),
    )
}
densities = {name: values[: len(grid)] for name, values in log_densities.items()}
density_figure = new_figure(13, 3)
for panel, (name, values) in zip(
    density_figure.subplots(1, len(densities)), densities.items(), strict=True
):
    panel.imshow(
        np.exp(values).reshape(50, 50), origin="lower", extent=(-8, 8, -8, 8), cmap="Greys"
    )
    panel.set(title=name, xlabel="x")
density_figure

# %% [markdown]
# Mean log density of fresh data, in nats: none can beat the entropy, and the difference is the
# relative entropy from the truth to the model.

# %%
scores = {name: float(np.mean(values[len(grid) :])) for name, values in log_densities.items()}
for name, score in scores.items():
    print(f"{name:20s} {score:7.3f}")

# %% [markdown]
# A continuous flow trained by likelihood ends at the same place, at many network evaluations for
# every step of training: a few steps of it, to see the price.

# %%
continuous = Experiment(
    examples,
    networks.MLP(width=32, layers=2),
    generative.ContinuousFlow(Bridge(generative.LinearPath())),
    Sampler(steps=32),
    Trainer(steps=max(STEPS // 50, 2), batch_size=256, learning_rate=2e-3, checkpoint_every=STEPS),
).train(folder / "continuous")
continuous_figure = draw_bridge("continuous flow, few steps", stages(continuous), truth)
continuous_figure
