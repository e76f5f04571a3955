# %% [markdown]
# # Classifying digits: what a network knows before it has seen anything
#
# A network that is to tell which digit it is shown learns from examples. Its *architecture* is
# what it need not learn: which changes of the input cannot matter, what is near what. Here four
# architectures learn the same digits, as images and as clouds of points drawn from the ink. The
# networks of clouds are those that draw galaxies in later notebooks.
#
# | network | sees | knows beforehand |
# |---|---|---|
# | multilayer perceptron (MLP) | pixels, or points, as one long list | nothing |
# | convolutional network (CNN) | pixels | which are neighbours; features may be anywhere |
# | deep set | points | that their order does not matter |
# | set transformer, relative | points | the same, and that only displacements matter |
#
# About four minutes on two cores. `GALGEN_STEPS` in the environment shortens every training.
# The digits are MNIST if `GALGEN_MNIST` names a folder with its four files, or if
# `galgen.data.digits.load_digits()` was called once, which downloads them; else printed ones.

# %%
import functools
import os

import jax
import numpy as np
from tqdm import tqdm

from galgen import Trainer, data, inference, networks, training
from galgen.plot_style import BASE, GENERATED, HELD_OUT, new_figure

STEPS = int(os.environ.get("GALGEN_STEPS", "1000"))
SMALL = STEPS < 200  # a trial run: narrow networks, few points and digits
POINTS, PARTS = (32, 1) if SMALL else (64, 10)
mnist = os.environ.get("GALGEN_MNIST")
images, labels, kind = data.digits_at_hand(1000 if SMALL else 6000, "train", mnist)
held_out, truth, _ = data.digits_at_hand(200 if SMALL else 2000, "test", mnist)

# %% [markdown]
# ## The data
#
# An image is 28 x 28 numbers in [-1, 1]. A cloud is drawn from its ink: a pixel with probability
# proportional to its darkness, then a place inside it. The cloud has no grid, and its points come
# in no order.

# %%
rng = np.random.default_rng(0)
clouds, held_out_clouds = (data.digits_as_points(x, POINTS, rng) for x in (images, held_out))

data_figure = new_figure(9, 2.2)
for column, digit in zip(data_figure.subplots(2, 10).T, range(10), strict=True):
    row = np.flatnonzero(truth == digit)[0]
    column[0].imshow(held_out[row, :, :, 0], cmap="gray_r", extent=(0, 1, 0, 1))
    column[1].plot(*held_out_clouds[row].T, ".", markersize=1.5, color=HELD_OUT)
    for panel in column:
        panel.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), aspect="equal")
data_figure.suptitle(f"{kind}, held out: pixels above, points below")
data_figure

# %% [markdown]
# ## The loss and the optimiser
#
# The network gives ten numbers, the *logits* $l_k$, for an input $x$, and says that class $k$ has
# the probability $p(k \mid x) = e^{l_k} / \sum_j e^{l_j}$. The loss is the mean of $-\log p(y \mid
# x)$ over examples $(x, y)$, the *cross-entropy*, in nats: the negative log likelihood of the
# labels. Its mean over the data is smallest where $p$ is the true conditional probability, so that
# the network may be asked how sure it is. Its derivative by the logit $l_k$ is $p(k \mid x) - [k =
# y]$: what was said minus what is true. A new network gives zeros, so says 1/10 of each class, and
# has a loss of $\log 10 = 2.303$.
#
# AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101) keeps running means $m$ of the gradient of a
# weight $w$ and $v$ of its square, and moves $w$ by $-\eta\,(m / (\sqrt{v} + \epsilon) + \lambda
# w)$. The rate $\eta$ rises for 50 steps and falls to zero as a cosine. Used afterwards is a
# running mean of the weights. The loop below is all there is to training; `Trainer.fit` is the
# same one with checkpoints, several devices and a log.

# %%
model = inference.Classification()
trainer = Trainer(steps=STEPS, batch_size=32 if SMALL else 64, learning_rate=3e-3)
losses = {}


@functools.cache
def programs(network):
    """Compiled once for each network: the start, one step of training, and what it says."""

    def start(key, batch):
        return trainer.initial_state(model.initial_params(network, key, batch))

    def loss(params, key, batch):
        return model.training_loss(network, params, key, batch)

    return (
        jax.jit(start),
        jax.jit(training.make_step(loss, trainer.optimizer(), trainer.ema_decay)),
        jax.jit(lambda params, x: model.with_params(network, params)(data.Batch(x))),
    )


def train(name, network, examples):
    """Train a network to name the digits; returns what gives log p(k | x) of every x."""
    start, step, say = programs(network)
    source = data.ArraySource(examples, np.eye(10)[labels], trainer.batch_size)
    state = start(jax.random.key(0), source.batch(0))
    history = []
    for number in tqdm(range(STEPS), desc=name):
        state, metrics = step(state, jax.random.key(1), source.batch(number))
        history.append(metrics["loss"])
    losses[name] = np.array(history)
    return lambda x: np.concatenate([say(state.ema, part) for part in np.split(x, PARTS)])


mlp = networks.MLPClassifier(10, width=32 if SMALL else 128)
cnn = networks.ConvolutionalClassifier(10, widths=(8, 8, 16) if SMALL else (8, 16, 32))
by_mlp = train("MLP", mlp, images)
by_cnn = train("CNN", cnn, images)

# %% [markdown]
# ## Who is right how often
#
# Of $n$ held-out digits a fraction $a$ is named rightly. Each is right or wrong like the toss of a
# coin, so $a$ has the standard error $\sqrt{a(1-a)/n}$. In the *confusion matrix* rows are what a
# digit is, columns what it was taken for.


# %%
def accuracy(log_probability):
    """The fraction of held-out digits named rightly, and its standard error."""
    right = np.mean(log_probability.argmax(axis=1) == truth)
    return float(right), float(np.sqrt(right * (1 - right) / len(truth)))


said = {"MLP": by_mlp(held_out), "CNN": by_cnn(held_out)}
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (truth, said["MLP"].argmax(axis=1)), 1)

pixels_figure = new_figure(9, 3.8)
curves, table = pixels_figure.subplots(1, 2)
for (name, values), style in zip(losses.items(), ("--", "-"), strict=True):
    smooth = np.mean(values[: STEPS // 10 * 10].reshape(-1, 10), axis=1)
    curves.semilogy(10 * np.arange(len(smooth)) + 5, smooth, style, color=HELD_OUT, label=name)
curves.axhline(np.log(10), color=BASE, linewidth=0.8, linestyle=":", label="log 10")
curves.set(xlabel="step", ylabel="training loss, mean of 10 steps [nats]")
curves.legend()
table.imshow(np.log1p(confusion), cmap="Greys")
for (row, column), number in np.ndenumerate(confusion):
    color = "white" if number > confusion.max() / 4 else "black"
    table.text(column, row, number or "", ha="center", va="center", fontsize=7, color=color)
table.set(xticks=range(10), yticks=range(10), xlabel="taken for", ylabel="is", title="MLP")
pixels_figure

# %% [markdown]
# ## Clouds of points
#
# A function of a *set* is the same for every order of its points. A deep set (Zaheer et al. 2017,
# arXiv:1703.06114) has this built in: layers that treat every point alike, and means over the
# points. A set transformer (Lee et al. 2019, arXiv:1810.00825) lets every point look at every
# other one. Ours is *relative*: it sees displacements between points, never their places. Both
# write features for every point, as they do for galaxies, and `PooledNetwork` averages them over
# the cloud. Beside them an MLP reads the points as one list of numbers, as they were drawn.

# %%
wide, layers = (16, 1) if SMALL else (48, 2)
deep_set = networks.DeepSet(wide, layers, octaves=4, dim=2, geometry=networks.Euclidean())
transformer = networks.SetTransformer(32, layers, heads=2, octaves=3, dim=2, relative=True)
by_list = train("MLP on points", mlp, 2 * clouds[..., None] - 1)
by_deep_set = train(
    "deep set", inference.CloudClassifier(networks.PooledNetwork(deep_set), 10), clouds
)
by_transformer = train(
    "set transformer", inference.CloudClassifier(networks.PooledNetwork(transformer), 10), clouds
)


def say_of_clouds(x):
    """What the networks of points say of clouds."""
    return {
        "MLP on points": by_list(2 * x[..., None] - 1),
        "deep set": by_deep_set(x),
        "set transformer": by_transformer(x),
    }


said |= say_of_clouds(held_out_clouds)
for name, log_probability in said.items():
    right, error = accuracy(log_probability)
    nats = -np.mean(log_probability[np.arange(len(truth)), truth])
    print(f"{name:16s} {right:.3f} +- {error:.3f}, cross-entropy {nats:.3f} nats")

# %% [markdown]
# ## Shuffle the points
#
# Every cloud once more, in another order. The networks of sets answer the same but for the
# rounding of sums; the MLP, for which it is another list, does not.

# %%
reordered = say_of_clouds(held_out_clouds[:, rng.permutation(POINTS)])
changed, largest = {}, {}
for name, again in reordered.items():
    changed[name] = np.mean(again.argmax(axis=1) != said[name].argmax(axis=1))
    largest[name] = np.max(np.abs(np.exp(again) - np.exp(said[name])))
    print(f"{name:16s} {changed[name]:6.1%} other answers, p changes by up to {largest[name]:.1e}")

# %% [markdown]
# ## Shift the digit
#
# All were trained on digits in the middle of the frame. Now these are moved to the right (what
# leaves comes back in at the left). To a convolution a moved digit is a moved map of features, but
# the last layer of this CNN reads where they are. To the relative set transformer on the torus it
# is the same digit, exactly.
#
# ## Shuffle the pixels
#
# Put the pixels of all images in one random order, always the same, and train again. No
# information is lost. The MLP knows nothing of the order: to it the task is the same, up to the
# luck of its first weights. The CNN was told that near pixels belong together, which is now false.

# %%
shifts = np.arange(0, 5, 2 if SMALL else 1)
moved_images = [np.roll(held_out, shift, axis=2) for shift in shifts]
moved_clouds = [(held_out_clouds + np.float32([shift / 28, 0])) % 1 for shift in shifts]
after_shift = {
    "MLP": np.array([accuracy(by_mlp(x)) for x in moved_images]),
    "CNN": np.array([accuracy(by_cnn(x)) for x in moved_images]),
    "deep set": np.array([accuracy(by_deep_set(x)) for x in moved_clouds]),
    "set transformer": np.array([accuracy(by_transformer(x)) for x in moved_clouds]),
}
order = rng.permutation(images[0].size)
shuffled, held_out_shuffled = (
    x.reshape(len(x), -1)[:, order].reshape(x.shape) for x in (images, held_out)
)
after_shuffling = {
    "MLP": accuracy(train("MLP, pixels shuffled", mlp, shuffled)(held_out_shuffled)),
    "CNN": accuracy(train("CNN, pixels shuffled", cnn, shuffled)(held_out_shuffled)),
}

knowledge_figure = new_figure(9, 3.2)
moved, mixed = knowledge_figure.subplots(1, 2, width_ratios=(2, 1))
for (name, rows), style in zip(after_shift.items(), ("s--", "o-", "^--", "D-"), strict=True):
    color = HELD_OUT if name in after_shuffling else GENERATED
    moved.errorbar(shifts, *rows.T, fmt=style, color=color, mfc="white", label=name)
    if name in after_shuffling:
        both = np.array([accuracy(said[name]), after_shuffling[name]])
        mixed.errorbar([0, 1], *both.T, fmt=style, color=color, mfc="white", label=name)
moved.axhline(0.1, color=BASE, linewidth=0.8, linestyle=":", label="chance")
moved.set(xlabel="shift [pixels of 28]", ylabel="named rightly", ylim=(0, 1.02), xticks=shifts)
mixed.set(xticks=[0, 1], xticklabels=["in order", "shuffled"], xlim=(-0.5, 1.5), xlabel="pixels")
moved.legend()
mixed.legend()
knowledge_figure

# %% [markdown]
# ## Is it as sure as it should be?
#
# Of all answers given with a probability near 0.8, 80% should be right. Many networks are too
# sure (Guo et al. 2017, arXiv:1706.04599): they go on lowering the loss of examples that they have
# by heart. Below, the fraction that was right against the stated probability, and over each panel
# the mean stated probability minus the accuracy.

# %%
excess = {}
calibration_figure = new_figure(9, 2.6)
panels = calibration_figure.subplots(1, 5, sharex=True, sharey=True)
for panel, (name, log_probability) in zip(panels, said.items(), strict=True):
    stated = np.exp(log_probability.max(axis=1))
    right = log_probability.argmax(axis=1) == truth
    excess[name] = np.mean(stated - right), np.std(stated - right) / np.sqrt(len(truth))
    bins = np.digitize(stated, [0.5, 0.7, 0.85, 0.95])
    for chosen in (bins == number for number in range(5) if np.sum(bins == number) > 4):
        share = (right[chosen].sum() + 1) / (chosen.sum() + 2)  # so that no error is zero
        error = np.sqrt(share * (1 - share) / chosen.sum())
        panel.errorbar(stated[chosen].mean(), right[chosen].mean(), error, fmt="o", color=HELD_OUT)
    panel.plot([0, 1], [0, 1], ":", color=BASE)
    panel.set(title=f"{name}\n{excess[name][0]:+.3f} ± {excess[name][1]:.3f}", aspect="equal")
panels[0].set_ylabel("fraction right")
panels[2].set_xlabel("stated probability of the answer")
calibration_figure

# %% [markdown]
# ## What to take along
#
# Figures are of MNIST, 6,000 digits to learn from and 2,000 to be judged by.
#
# - What is built in holds exactly and for free; the rest must be learned from examples. The MLP
#   on points has those it has seen by heart (a loss of 0.3 nats) and names 20% of new ones.
# - What is built in and is false of the data costs accuracy: with shuffled pixels that of the CNN
#   falls from 0.972 to 0.915, within 0.006, and that of the MLP stays, 0.935 and 0.938.
# - The deep set sees where points are, and is right more often in the middle of the frame (0.870
#   against 0.825). Four pixels off it is at 0.62, and the relative set transformer where it was.
# - Galaxies have no order and the universe no preferred place: its networks are of sets, relative.
