# %% [markdown]
# # Generating digits: flow matching, guidance, few steps
#
# Draw images of a digit that is asked for. The bridge is the same as in the plane (notebook 02)
# and for galaxies (notebook 04): noise at time t = 0, data at t = 1. New here are the condition,
# guidance towards it, and jumps in place of many small steps. A classifier of our own, trained
# on the same digits, judges whether a draw is the digit that was asked for.
#
# About six minutes on two cores. `GALGEN_STEPS` in the environment shortens every training.
# The digits are MNIST if `GALGEN_MNIST` names a folder with its four files, or if
# `galgen.data.digits.load_digits()` was called once, which downloads them; else printed ones.

# %%
import os

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from galgen import Bridge, Sampler, Trainer, data, generative, inference, networks, training
from galgen.plot_style import BASE, GENERATED, HELD_OUT, new_figure

STEPS = int(os.environ.get("GALGEN_STEPS", "1200"))
DRAWS = 100 if STEPS < 400 else 400
mnist = os.environ.get("GALGEN_MNIST")


def halved(images):
    """Every square of 2 x 2 pixels becomes its mean, with a margin: 16 x 16 pixels in all."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1)
    return padded.reshape(-1, 16, 2, 16, 2, 1).mean(axis=(2, 4))


images, labels, kind = data.digits_at_hand(20_000, "train", mnist)
held_out, truth, _ = data.digits_at_hand(4000, "test", mnist)
images, held_out = halved(images), halved(held_out)

# %% [markdown]
# ## Training, and the judge
#
# One loop trains everything below: a model gives the loss of a network on a batch, AdamW makes it
# smaller, and a running mean of the weights is kept. The first is a classifier (notebook 01).


# %%
def train(name, model, network, learning_rate=2e-3):
    """The model with averaged weights."""
    trainer = Trainer(steps=STEPS, batch_size=64, learning_rate=learning_rate)
    source = data.ArraySource(images, np.eye(10)[labels], trainer.batch_size)

    def loss(params, key, batch):
        return model.training_loss(network, params, key, batch)

    def start(key, batch):
        return trainer.initial_state(model.initial_params(network, key, batch))

    state = jax.jit(start)(jax.random.key(0), source.batch(0))
    step = jax.jit(training.make_step(loss, trainer.optimizer(), 0.995))
    for number in tqdm(range(STEPS), desc=name):
        state, _ = step(state, jax.random.key(1), source.batch(number))
    return model.with_params(network, state.ema)


log_probability = train(
    "classifier",
    inference.Classification(),
    networks.ConvolutionalClassifier(10, widths=(8, 16, 32)),
)
classify = jax.jit(lambda x: jnp.argmax(log_probability(data.Batch(x)), axis=-1))


def share(right):
    """A fraction and its standard error."""
    return np.mean(right), np.std(right) / np.sqrt(len(right))


judge_accuracy = share(np.asarray(classify(held_out)) == truth)
print(
    f"the judge is right on {judge_accuracy[0]:.3f} +- {judge_accuracy[1]:.3f} of held-out {kind}"
)

# %% [markdown]
# ## Conditional flow matching
#
# Join noise $x_0$ and an image $x_1$ of class $c$ by the straight path $x_t = (1 - t) x_0 + t x_1$.
# The network is asked for the velocity of the path (Lipman et al. 2022, arXiv:2210.02747):
#
# $$ \min_v \; E \, \| v(x_t, t, c) - (x_1 - x_0) \|^2 . $$
#
# The minimum is the mean of $x_1 - x_0$ over all paths of class $c$ that pass through $x_t$ at time
# $t$. Following $\mathrm{d}x/\mathrm{d}t = v(x, t, c)$ from 0 to 1 carries noise to images of that
# class. For one example in ten the condition is dropped, so that the same network also knows the
# velocity $v(x, t)$ of all digits together, which guidance will need.

# %%
bridge = Bridge(generative.LinearPath(), times=generative.LogitNormalTimes(), condition_dropout=0.1)
unet = networks.ConvolutionalNetwork(widths=(16, 32, 48))
flow = train("flow matching", bridge, unet)


def draw(model, sampler, digits, trajectory=False):
    """Draws of the digits asked for; the same noise for every sampler."""
    condition = jnp.asarray(np.eye(10)[digits], jnp.float32)
    shape = (len(digits), *images.shape[1:])

    def sample(key):
        return sampler(model, key, shape, None, condition, trajectory)

    drawn = jax.jit(sample)(jax.random.key(2))
    return np.asarray(drawn.trajectory if trajectory else drawn.x)


def show(panel, rows, title):
    """Rows of images in one picture, ink dark."""
    picture = np.concatenate([np.concatenate(list(row[..., 0]), axis=1) for row in rows])
    panel.imshow(picture, cmap="gray_r", vmin=-1, vmax=1)
    panel.set(title=title, xticks=[], yticks=[])


# %% [markdown]
# ## On the way from noise to digit
#
# Below are the states $x_t$, and for each of them where its present velocity leads, $x_t + (1 - t)
# v$: the mean of all images that it may still become. At t = 0 that is the mean of the class. What
# kind of a digit it will be is settled early, its edges late.

# %%
sampler = Sampler(generative.Heun(), 12)
way = draw(flow, sampler, np.arange(10), trajectory=True)
stages = [0, 2, 4, 6, 9, 12]
times = sampler.times[stages]
conditional = flow.given(None, jnp.eye(10))
expected = [
    conditional.ends(jnp.asarray(way[i]), jnp.float32(t)).data
    for i, t in zip(stages[:-1], times[:-1], strict=True)
]
way_figure = new_figure(8, 2.4)
left, right = way_figure.subplots(1, 2)
show(left, way[stages], "states on the way")
show(right, np.stack([*expected, way[-1]]), "where each is heading")
for panel in (left, right):
    panel.set(yticks=16 * np.arange(len(stages)) + 8, yticklabels=[f"t = {t:.2f}" for t in times])
way_figure

# %% [markdown]
# ## Guidance, and what it costs
#
# Classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598) follows
#
# $$ v(x, t) + s\,[\,v(x, t, c) - v(x, t)\,] , $$
#
# which for $s = 1$ is the model itself. For $s > 1$ it goes away from what all digits have in
# common, and so deeper into the class. The judge likes that. But these are no longer draws from
# the distribution of the data: the variance of the pixels among draws of one digit falls as s
# grows. (It should be that of held-out images. Draws that are of no digit add to it, as a model
# that was trained for minutes makes them.) For digits to look at, a fair price; catalogues whose
# statistics shall be right want $s = 1$.


# %%
def variety(drawn, digits):
    """Variance within a digit, summed over pixels, over that of held-out images; mean and error."""
    ratios = [
        drawn[digits == digit].var(axis=0, ddof=1).sum()
        / held_out[truth == digit].var(axis=0, ddof=1).sum()
        for digit in range(10)
    ]
    return np.mean(ratios), np.std(ratios, ddof=1) / np.sqrt(10)


asked = np.arange(DRAWS) % 10
scales = (1.0, 1.5, 2.0, 3.0, 5.0)
guided = {
    s: draw(flow, Sampler(generative.Heun(), 8, guidance=generative.Guidance(s)), asked)
    for s in scales
}
agreement = {s: share(np.asarray(classify(x)) == asked) for s, x in guided.items()}
spread = {s: variety(x, asked) for s, x in guided.items()}

guidance_figure = new_figure(9, 3.2)
pictures, curves = guidance_figure.subplots(1, 2, width_ratios=(1.1, 1))
show(pictures, [guided[s][:10] for s in scales], "draws, the same noise in every row")
pictures.set(yticks=16 * np.arange(len(scales)) + 8, yticklabels=[f"s = {s:g}" for s in scales])
for values, marker, label in (
    (agreement, "o-", "seen as the digit asked for"),
    (spread, "s--", "variance within a digit / held-out"),
):
    curves.errorbar(
        scales,
        *np.array(list(values.values())).T,
        fmt=marker,
        color=GENERATED,
        mfc="white",
        label=label,
    )
curves.axhline(judge_accuracy[0], color=HELD_OUT, linewidth=0.8, label="judge on held-out digits")
curves.axhline(1.0, color=BASE, linewidth=0.8, linestyle=":")
curves.set(xlabel="guidance scale s", ylabel="fraction or ratio", ylim=(0, 1.4))
curves.legend()
guidance_figure

# %% [markdown]
# ## Few steps
#
# The paths are straight, their mean flow is not: one Euler step from noise follows the velocity
# at t = 0 and ends at the mean image of the class. MeanFlow (Geng et al. 2025, arXiv:2505.13447)
# learns the *average* velocity between two times instead,
#
# $$ u(x_t, t, r) = \frac{1}{r - t} \int_t^r v(x_\tau, \tau)\,\mathrm{d}\tau, \qquad
#    x_r = x_t + (r - t)\,u(x_t, t, r), $$
#
# so that one evaluation makes the whole jump. Differentiating $(r - t) u$ along the flow gives the
# target of its regression, $u = v + (r - t)\,\mathrm{d}u/\mathrm{d}t$ (in the paper time runs the
# other way, which changes a sign). Guidance with s = 2 is trained in, at no cost in drawing; the
# guided flow needs two evaluations a step. Read the judge and the variance together: the mean
# image of a class is often seen as that digit, and all draws of it are the same.

# %%
jumps = generative.MeanFlow(
    generative.LinearPath(),
    times=generative.LogitNormalTimes(),
    guidance=2.0,
    condition_dropout=0.1,
)
mean_flow = train("mean flow", jumps, unet)
few = {"flow": {}, "guided flow": {}, "mean flow": {}}
for n in (1, 2, 4):
    few["flow"][n] = draw(flow, Sampler(generative.Euler(), n), asked)
    few["guided flow"][2 * n] = draw(
        flow, Sampler(generative.Euler(), n, guidance=generative.Guidance(2.0)), asked
    )
    few["mean flow"][n] = draw(mean_flow, generative.MeanFlowSampler(n), asked)
few_scores = {
    name: {n: share(np.asarray(classify(x)) == asked) for n, x in drawn.items()}
    for name, drawn in few.items()
}
for name, scores in few_scores.items():
    for n, (value, error) in scores.items():
        ratio, its_error = variety(few[name][n], asked)
        print(
            f"{name:12s} {n} evaluations: seen as the digit asked for {value:.3f} +- {error:.3f},"
            f" variance ratio {ratio:.2f} +- {its_error:.2f}"
        )

few_figure = new_figure(9, 3.4)
pictures, curves = few_figure.subplots(1, 2, width_ratios=(1.1, 1))
rows = [few[name][n] for name in ("flow", "mean flow") for n in (1, 2, 4)]
show(pictures, [x[:10] for x in rows], "draws, the same noise in every row")
names = [f"{name}, {n}" for name in ("flow", "mean flow") for n in (1, 2, 4)]
pictures.set(yticks=16 * np.arange(6) + 8, yticklabels=names)
for (name, scores), marker, color in zip(
    few_scores.items(), ("s--", "^:", "o-"), (BASE, BASE, GENERATED), strict=True
):
    curves.errorbar(
        list(scores),
        *np.array(list(scores.values())).T,
        fmt=marker,
        color=color,
        mfc="white",
        label=name,
    )
curves.axhline(judge_accuracy[0], color=HELD_OUT, linewidth=0.8, label="judge on held-out digits")
curves.set(xscale="log", xlabel="evaluations of the network", ylabel="seen as asked for")
curves.set(ylim=(0, 1.05), xticks=[1, 2, 4, 8], xticklabels=["1", "2", "4", "8"])
curves.minorticks_off()
curves.legend()
few_figure
