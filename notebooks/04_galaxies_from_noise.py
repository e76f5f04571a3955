# %% [markdown]
# # Galaxies from noise
#
# A catalogue of haloes is a set of points in a periodic box. This notebook simulates some hundred
# of them at different cosmologies, trains a network to turn uniform points into such sets, draws
# new ones at cosmologies it has not seen, and asks whether they are true: by the correlation
# function xi(r), the power spectrum P(k), the number of haloes and their masses, each beside the
# sampling noise of the simulated ones. Lengths are Mpc/h, masses Msun/h.
#
# About seven minutes on two cores. `GALGEN_STEPS` in the environment shortens the training;
# `GALGEN_RUN` names a run that is trained already, such as that of `make demo`.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np

from galgen import (
    Bridge,
    Experiment,
    Run,
    Sampler,
    Suite,
    SuiteRecipe,
    Trainer,
    compare,
    data,
    generative,
    networks,
    power_spectrum,
    sample_trajectory,
    two_point_correlation,
    validation,
    write_suite,
)
from galgen.plot_style import BASE, GENERATED, HELD_OUT, log_abscissa, new_figure

STEPS = int(os.environ.get("GALGEN_STEPS", "1000"))
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The truth
#
# The embedded simulator draws a linear density field of a given power spectrum, moves matter by
# second-order perturbation theory and collapses peaks into haloes: twelve boxes a second. The
# cosmologies fill a Latin hypercube in $\Omega_m$ and $\sigma_8$; those of the split `test` are
# others, and the splits `low` and `high` repeat one cosmology each, with new phases.

# %%
few = STEPS < 500
recipe = SuiteRecipe(train=24 if few else 256, test=12 if few else 48, contrast=12 if few else 48)
catalogues, splits = zip(*recipe.simulate(), strict=True)
write_suite(folder / "suite.h5", catalogues, splits)
suite = Suite(folder / "suite.h5")
held_out = {name: suite.catalogues(name) for name in ("test", "low", "high")}
suite

# %%
truth_figure = new_figure(8, 4)
pair = [held_out[name][0] for name in ("low", "high")]
for axes, name, catalogue in zip(truth_figure.subplots(1, 2), ("low", "high"), pair, strict=True):
    validation.draw_slab(axes, catalogue, HELD_OUT, validation.mass_range(pair))
    values = ", ".join(f"{key} {catalogue.cosmology[key]:.2f}" for key in ("omega_m", "sigma_8"))
    axes.set(title=f"{name}: {values}, N = {len(catalogue)}", xlabel="x [Mpc/h]")
    axes.set_ylabel("y [Mpc/h]")
truth_figure

# %% [markdown]
# ## The bridge
#
# Time runs from $t = 0$, where nothing is known, to $t = 1$, the data. Positions live on the torus
# of the box. There a diffusion adds normal noise and wraps it around,
#
# $$ x_t = x_1 + \sigma(t)\,\epsilon \mod L, $$
#
# with $\sigma$ from half the box at $t = 0$, where the result is uniform, down to 0.4 Mpc/h. Masses
# are one number a halo, and go by the usual variance-preserving diffusion (Song et al. 2021,
# arXiv:2011.13456); a `ProductPath` joins the two. The network sees the noisy points, the time and
# the cosmology, and predicts the noise. The best prediction it can make is a mean over all
# catalogues that could have become this noisy one, and it is all that drawing needs.
#
# Points have no order, so which noisy point came from which halo is not known, and is drawn again
# in training (`Exchange`): the target is the same on average and has less noise.
#
# `ParticleMesh` is made like the force of a particle-mesh code: near neighbours send messages, far
# ones act through Fourier modes of the box. It moves with the points: if all are shifted around
# the torus, so is what it predicts.

# %%
experiment = Experiment(
    data=data.CatalogueDataset(
        folder / "suite.h5", columns=("x", "y", "z", "log_mass"), buckets=1 if few else 3
    ),
    network=networks.ParticleMesh(),
    model=Bridge(
        generative.ProductPath(
            (generative.TorusDiffusion(sigma_min=0.003), generative.VariancePreserving()),
            columns=(3, 1),
        ),
        prediction=generative.NoisePrediction(),
        times=generative.LogitNormalTimes(0.1, 1.2),
        exchange=generative.Exchange(8),
    ),
    sampler=Sampler(generative.Churn(generative.Heun(), 0.5), steps=32),
    trainer=Trainer(steps=STEPS, batch_size=16, learning_rate=3e-3, ema_decay=0.99),
)
trained = os.environ.get("GALGEN_RUN")
run = Run.load(Path(trained)) if trained else experiment.train(folder / "run")

# %% [markdown]
# ## One catalogue on its way
#
# The sampler starts from uniform points and solves from $t = 0$ to $t = 1$. Every state is a
# catalogue, so the statistics of the last section can be asked of it. Clustering comes from large
# scales to small ones, as the noise shrinks.

# %%
condition = {"omega_m": 0.3, "sigma_8": 0.8}
states = [state[0] for state in sample_trajectory(run, [condition], seed=3)]
times = np.linspace(0, 1, len(states))
shown = [round(t * (len(states) - 1)) for t in (0, 0.5, 0.75, 0.875, 1)]

journey_figure = new_figure(11, 2.8)
masses = validation.mass_range([states[-1]])
for axes, number in zip(journey_figure.subplots(1, 5, sharey=True), shown, strict=True):
    validation.draw_slab(axes, states[number], BASE if number == 0 else GENERATED, None)
    axes.set(title=f"t = {times[number]:.2f}", xlabel="x [Mpc/h]")
journey_figure.axes[0].set_ylabel("y [Mpc/h]")
journey_figure

# %%
validation.write_film(states, [f"t = {t:.2f}" for t in times], folder / "journey.gif")
print(f"a film of it: {folder / 'journey.gif'}")

# %% [markdown]
# ## Generated against simulated
#
# One catalogue is drawn at the cosmology of every held-out one. First by hand: the ensemble's mean
# with the error of the mean of both. The natural estimator with analytic random pairs gives
# $\xi(r) = DD / RR - 1$; $P(k)$ has its shot noise taken off.

# %%
generated = {
    name: run.sample([c.cosmology for c in members], seed=number)
    for number, (name, members) in enumerate(held_out.items())
}


separations = np.geomspace(3.1, 25.6, 8)
wavenumbers = np.linspace(0.04, 0.4, 10)
means_figure = new_figure(9, 3.6)
left, right = means_figure.subplots(1, 2)
for kind, members, colour, marker in (
    ("simulated", held_out["test"], HELD_OUT, "s-"),
    ("generated", generated["test"], GENERATED, "o"),
):
    x, mask = data.pad([c.positions for c in members], max(len(c) for c in members))
    xi = two_point_correlation(x, mask, separations, members[0].box)
    power = power_spectrum(x, mask, members[0].box, 64, wavenumbers, (0,))
    mean = xi.mean()
    left.errorbar(xi.r, mean.mean, mean.error, fmt=marker, color=colour, mfc="white", label=kind)
    mean = power.mean()
    right.errorbar(
        power.k, mean.mean[0], mean.error[0], fmt=marker, color=colour, mfc="white", label=kind
    )
left.set(xlabel="r [Mpc/h]", ylabel="xi(r)", yscale="log")
right.set(xlabel="k [h/Mpc]", ylabel="P(k) [(Mpc/h)^3]", yscale="log")
log_abscissa(left)
left.legend()
means_figure

# %% [markdown]
# `compare` does this for every statistic and split, and adds what an eye cannot judge: whether a
# difference exceeds the noise of both sets, and whether it is larger than 5%. A measure is shown
# bad, shown good, or there are too few catalogues to tell; `docs/verdicts.md` says how. So for
# means, for the scatter of single catalogues, and for the response, how much of the change from
# `low` to `high` was learned.

# %%
comparison = compare(generated, held_out)
print(validation.table(comparison))

# %%
figures = {f.name: f.figure for f in validation.report_figures(comparison, generated, held_out)}
slices_figure = figures["slices"]
slices_figure

# %%
response_figure = figures["response"]
response_figure

# %% [markdown]
# The response is the point of it: the network has seen every cosmology a few times at most, and
# still draws more haloes, less strongly clustered, where matter is dense. What remains wrong is
# named in the table. Longer training closes most of it: `make demo` takes three times as many
# steps, and its figures are in `benchmarks/RESULTS.md`.
