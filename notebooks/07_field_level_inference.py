# %% [markdown]
# # From a catalogue to its parameters
#
# A generative model knows how probable a catalogue is, so it says which parameters made it. Here
# that is done in full on a process whose answers can be checked: clusters of points, with two
# parameters, at a cost of minutes. For haloes and cosmology the same lines hold, with the run of
# `make demo` in place of the one trained here, or `galgen infer runs/demo runs/demo_suite.h5`.
#
# About seven minutes on two cores. `GALGEN_STEPS` in the environment shortens every training.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from galgen import (
    Bridge,
    Catalogue,
    Experiment,
    Sampler,
    Trainer,
    data,
    generative,
    inference,
    measurements,
    networks,
    write_suite,
)
from galgen.plot_style import BAND, GENERATED, HELD_OUT, new_figure

STEPS = int(os.environ.get("GALGEN_STEPS", "4000"))
few = STEPS < 500
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The process
#
# In a Thomas process (Thomas 1949) parents lie uniformly in the box, each has a Poisson number of
# children with mean $m$, and these are displaced from it by a normal of width $s$. There are as
# many parents as give 32 points on average, so that the number of points says little of $m$. Both
# parameters are uniform between bounds, which is the prior.

# %%
SIDE = 100.0
RANGES = {"members": (2.0, 8.0), "width": (2.0, 8.0)}  # children per parent, and Mpc/h
LOW, HIGH = np.array(list(RANGES.values())).T


def simulate(number, seed):
    """Clouds of parameters drawn from the prior, of ten points or more."""
    rng, clouds = np.random.default_rng(seed), []
    while len(clouds) < number:
        members, width = rng.uniform(LOW, HIGH).tolist()
        (x,) = data.ThomasProcess(32.0 / members, members, width / SIDE).sample(rng, 1)
        if len(x) >= 10:
            columns = dict(zip("xyz", np.minimum(SIDE * x.T, SIDE * (1 - 1e-6)), strict=True))
            truth = {"members": members, "width": width}
            clouds.append(Catalogue(columns, (SIDE,) * 3, cosmology=truth))
    return clouds


write_suite(folder / "suite.h5", simulate(200 if few else 8000, seed=0))
held_out = simulate(12 if few else 64, seed=1)
truths = np.array([[c.cosmology[name] for name in RANGES] for c in held_out])
observed = held_out[0]
observed

# %% [markdown]
# ## A generator is a likelihood
#
# A small diffusion learns to draw clouds, given the parameters. Its variational bound (Kingma et
# al. 2021) is
#
# $$ \log p(x \mid \theta) \ge -\,\mathbb{E}_{t, \epsilon}\,\tfrac{1}{2}
#    \lambda'(t)\, |\epsilon - \hat\epsilon_\theta(x_t, t)|^2 + \dots, $$
#
# a mean over noise that was added and that the network finds again: the better, the more probable.
# $\lambda$ is the log signal-to-noise ratio. To it comes $\log p(N \mid \theta)$. The mean is over
# random draws, so it has an error; if all $\theta$ are given the *same* draws, most of the error is
# common to them and leaves the posterior alone.

# %%
generator = Experiment(
    data=data.CatalogueDataset(
        folder / "suite.h5",
        columns=("x", "y", "z"),
        condition=tuple(RANGES),
        bounds=tuple(RANGES.values()),
        buckets=2,
    ),
    network=networks.ParticleMesh(32, 6, 2, k=10, radial=8, largest_mode=1, channels=2),
    model=Bridge(
        generative.TorusDiffusion(sigma_min=0.004),
        prediction=generative.NoisePrediction(),
        times=generative.LogitNormalTimes(0.1, 1.2),
        exchange=generative.Exchange(8),
    ),
    sampler=Sampler(steps=16),
    trainer=Trainer(steps=STEPS, batch_size=16, learning_rate=3e-3, ema_decay=0.995),
).train(folder / "generator")

field = inference.FieldLevel.of(generator, generative.ByBound(16))
prior = inference.uniform_prior(generator.encoding.condition_ranges)

# %% [markdown]
# ### A profile, with the error of its noise
#
# Along the width, at the true number of members. Differences to the highest value have the error
# that is drawn; values themselves have a larger one, which all share.

# %%
widths = np.linspace(*RANGES["width"], 13)
line = inference.profile(
    field, observed, np.column_stack([np.full(13, truths[0, 0]), widths]), replicas=6
)
best = int(np.argmax(line.value))
profile_figure = new_figure(5, 3.2)
axes = profile_figure.subplots()
error = line.difference_error[best]
axes.fill_between(
    widths, *(line.value - line.value[best] + s * error for s in (-1, 1)), color=BAND, alpha=0.4
)
axes.plot(widths, line.value - line.value[best], "o-", color=GENERATED, mfc="white")
axes.axvline(truths[0, 1], color=HELD_OUT, linestyle="--", label="truth")
axes.set(xlabel="width [Mpc/h]", ylabel="log p - highest [nats]")
axes.legend()
print(f"error of a value {line.error.max():.2f} nats, of a difference {error.max():.2f} nats")
profile_figure

# %% [markdown]
# ## The posterior, three ways
#
# On a **grid**, for one or two parameters: exact but for the noise, whose effect on the mean is
# measured by leaving replicas out. By **Hamiltonian Monte Carlo** (NUTS, Hoffman and Gelman 2014),
# for more: the bound is differentiable in $\theta$, so a sampler can follow its gradient.

# %%
options = {"number": 5, "replicas": 6, "batch": 25}
on_grid = inference.grid_posterior(field, observed, prior, **options)
sampler = inference.NUTS(chains=2, draws=50 if few else 200, warmup=100 if few else 200)
by_nuts = sampler(inference.field_target(field, observed, prior), seed=0)
for name, row in by_nuts.summary().items():
    print(name, {key: round(value, 3) for key, value in row.items()})

# %% [markdown]
# And by a **neural posterior** (Papamakarios and Murray 2016, arXiv:1605.06376), which needs no
# likelihood: a normalizing flow $q(\theta \mid x)$ is trained to make $\log q$ of the parameters
# high, over all simulations at once. Here $x$ are summaries, $\ln N$ and $\xi(r)$ in eight bins, as
# a standard analysis would have them. (A pooled network can stand in their place, to read the whole
# cloud: `configs/posterior_haloes.py`.)

# %%
summaries = measurements.Joint(
    (
        measurements.LogNumber(),
        measurements.LogCorrelation(tuple(np.geomspace(0.7, 25.0, 9).tolist())),
    )
)
neural = Experiment(
    data=inference.SummaryDataset(
        folder / "suite.h5", summaries, condition=tuple(RANGES), bounds=tuple(RANGES.values())
    ),
    network=networks.VectorNetwork(),
    model=inference.NeuralPosterior(
        inference.FlowHead(inference.posterior_flow(layers=2, width=32))
    ),
    trainer=Trainer(steps=STEPS, batch_size=64, learning_rate=1e-3, ema_decay=0.995),
).train(folder / "neural")
by_summaries = inference.sample_posterior(neural, held_out, 1000)

# %%
corner_figure = inference.corner_plot(
    {
        "field level, grid": on_grid.drawn(),
        "field level, NUTS": by_nuts,
        "neural, N and xi(r)": by_summaries[0],
    },
    prior,
    observed.cosmology,
    {"members": "members $m$", "width": "width $s$ [Mpc/$h$]"},
)
corner_figure

# %% [markdown]
# ## Is it honest?
#
# One posterior proves nothing. Of many, from clouds whose parameters were drawn from the prior,
# 68% of the 68% regions must hold the truth, at every level. The test below (TARP, Lemos et al.
# 2023, arXiv:2302.03026) does this with balls about random points, and is exact in any dimension:
# a curve above the diagonal is too wide a posterior, below it too narrow. Ranks of the truth among
# draws (Talts et al. 2018, arXiv:1804.06788) do it for each parameter: they must be flat.

# %%
field_draws = np.stack(
    [
        inference.grid_posterior(field, cloud, prior, seed=i, **options).sample(
            np.random.default_rng(i), 99
        )
        for i, cloud in enumerate(tqdm(held_out, desc="field level"))
    ]
)
neural_draws = np.stack([found.flat[:99] for found in by_summaries])
sets = {"field level": field_draws, "neural, N and xi(r)": neural_draws}
coverage = {name: inference.tarp(drawn, truths) for name, drawn in sets.items()}
coverage_figure = inference.plot_tarp(list(coverage.values()), list(coverage))
coverage_figure

# %%
ranks_figure = inference.plot_ranks(inference.ranks_of(tuple(RANGES), field_draws, truths))
ranks_figure

# %% [markdown]
# Honest is not yet good: the prior itself is calibrated. Widths in units of the prior's, and the
# errors of the means, tell how much was learned. The field level may use all that the cloud holds,
# so it should not be wider than what $N$ and $\xi(r)$ give. With a generator trained longer it is
# 12% narrower in both parameters (`benchmarks/RESULTS.md`, 200 clouds).

# %%
unit = (HIGH - LOW) / np.sqrt(12)
for name, drawn in sets.items():
    width = drawn.std(axis=1).mean(axis=0) / unit
    error = np.sqrt(np.mean((drawn.mean(axis=1) - truths) ** 2, axis=0)) / unit
    inside = "within" if coverage[name].within_band else "OUTSIDE"
    print(
        f"{name:20s} width {width.round(2)}, error {error.round(2)} of the prior's width; "
        f"TARP {coverage[name].distance:.2f}, {inside} the 99% band"
    )
