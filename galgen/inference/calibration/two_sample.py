r"""The classifier two-sample test: can a network tell two sets of vectors apart?

A classifier is trained on labelled vectors of both sets, and its accuracy on vectors that it has
not seen is the statistic (Lopez-Paz and Oquab 2017, arXiv:1610.06545): 1/2 if the two
distributions are the same, 1 if they do not overlap. With n held-out vectors of equal sets its null
distribution is near N(1/2, 1 / (4 n)); by cross-validation every vector is held out once, folds
share what they train on, and the null is found instead by training anew under permuted labels::

    p = (1 + number of permutations at least as accurate) / (1 + permutations)

The classifier is that of the benchmark of simulation-based inference (arXiv:2101.04653): two hidden
layers of ten units per dimension, on vectors standardised by the first set, in five folds. All
folds and permutations are trained at once, by the house's training step under ``vmap``. Sets of
unequal size are cut to the smaller one, so that 1/2 stays the accuracy of chance.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Count, Positive, Size, Whole, at_least, checked
from galgen.errors import InputError
from galgen.inference.neural.classifier import Classification
from galgen.randomness import Role, random_generator, random_key
from galgen.resolution import precision_of, spread
from galgen.training.state import initial_state, make_step
from galgen.types import Batch, Params


class HiddenLayers(nn.Module):
    """Logits of two classes by two hidden layers of rectified units.

    Attributes:
        width: units of each layer.
    """

    width: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch columns"], mask: Bool[Array, "batch points"] | None = None
    ) -> Float[Array, "batch 2"]:
        for _ in range(2):
            x = nn.relu(nn.Dense(self.width)(x))
        return nn.Dense(2)(x)


@dataclasses.dataclass(frozen=True)
class ClassifierTwoSample:
    """The result of :class:`ClassifierTest`.

    ======== =================== =========================================================
    field    shape               meaning
    ======== =================== =========================================================
    accuracy float               mean over folds: the C2ST
    folds    ``(folds,)``        accuracy of each
    null     ``(permutations,)`` accuracy under permuted labels, as many as were asked for
    p_value  float or None       small where the sets differ; None without permutations
    vectors  int                 of each set
    constant column numbers      the same in both sets but for rounding, and left out
    ======== =================== =========================================================
    """

    accuracy: float
    folds: Float[np.ndarray, " folds"]
    null: Float[np.ndarray, " permutations"]
    p_value: float | None
    vectors: int
    constant: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
@checked
class ClassifierTest:
    """The test and its classifier; see the module's docstring.

    Attributes:
        folds: of the cross-validation.
        units: of each hidden layer, per dimension.
        steps: of training.
        batch_size: of training, or all if there are fewer.
        learning_rate: peak of Adam's, under a cosine to zero.
        permutations: of the labels, each of which costs as much as the test.
    """

    folds: Annotated[int, at_least(2)] = 5
    units: Size = 10
    steps: Count = 1500
    batch_size: Count = 512
    learning_rate: Positive = 3e-3
    permutations: Whole = 0

    def __call__(
        self,
        first: Float[np.ndarray, "first columns"],
        second: Float[np.ndarray, "second _"],
        seed: int = 0,
    ) -> ClassifierTwoSample:
        """Test two sets of vectors.

        Args:
            first: also standardises both.
            second: in the same units.
            seed: of folds, permutations and weights.

        Raises:
            InputError: for sets that are too small, not finite, of different columns, or the same
                in all of them.
            FloatingPointError: if a classifier diverges.
        """
        self._check(first, second)
        rng = random_generator(Role.CLASSIFIER_FOLDS, seed)
        number = min(len(first), len(second)) // self.folds * self.folds
        chosen = [x[rng.permutation(len(x))[:number]] for x in (first, second)]
        both, kept = _standardised(*chosen)
        truth = np.arange(2 * number) >= number
        labels = np.stack([truth, *(rng.permutation(truth) for _ in range(self.permutations))])
        order = rng.permutation(2 * number).reshape(self.folds, -1)
        seen = np.stack([np.delete(order, i, axis=0).ravel() for i in range(self.folds)])
        start = random_key(Role.CLASSIFIER_WEIGHTS, seed)
        right = np.asarray(self._accuracies(both, labels, seen, order, start))
        if not np.all(np.isfinite(right)):
            raise FloatingPointError(
                f"expected finite outputs of every classifier, got others in "
                f"{np.sum(~np.isfinite(right))} of {right.size} trainings; lower learning_rate"
            )
        accuracy = right.mean(axis=1)
        more = int(np.sum(accuracy[1:] >= accuracy[0]))
        p_value = (1 + more) / (1 + self.permutations) if self.permutations else None
        constant = tuple(np.flatnonzero(~kept).tolist())
        return ClassifierTwoSample(
            float(accuracy[0]), right[0], accuracy[1:], p_value, number, constant
        )

    def _check(self, first: np.ndarray, second: np.ndarray) -> None:
        if first.ndim != 2 or first.shape[1:] != second.shape[1:]:
            raise InputError(
                f"expected two sets of vectors of the same columns, got {first.shape} and "
                f"{second.shape}; measure both alike"
            )
        if min(len(first), len(second)) < 2 * self.folds or self.folds < 2:
            raise InputError(
                f"expected at least two folds and {2 * self.folds} vectors in each set, got "
                f"{len(first)} and {len(second)} in {self.folds} folds; draw more, or use fewer"
            )
        if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second))):
            raise InputError("expected finite vectors, got some that are not; drop or mend them")

    @partial(jax.jit, static_argnums=0)
    def _accuracies(
        self,
        x: Float[Array, "all columns"],
        labels: Bool[Array, "labellings all"],
        seen: Int[Array, "folds training"],
        unseen: Int[Array, "folds held_out"],
        key: jax.Array,
    ) -> Float[Array, "labellings folds"]:
        """Accuracies of every labelling and fold, one labelling after the other."""
        network = HiddenLayers(self.units * x.shape[1])

        def one_labelling(arguments):
            label, key = arguments
            one_hot = jax.nn.one_hot(label.astype(int), 2)

            def one_fold(seen, unseen, key):
                params = self._train(network, Batch(x[seen], None, one_hot[seen]), key)
                said = Classification().with_params(network, params)(Batch(x[unseen]))
                right = jnp.mean(jnp.argmax(said, axis=-1) == label[unseen])
                # The most probable class of NaN is class 0: half right, as if nothing differed.
                return jnp.where(jnp.all(jnp.isfinite(said)), right, jnp.nan)

            return jax.vmap(one_fold)(seen, unseen, jax.random.split(key, len(seen)))

        return jax.lax.map(one_labelling, (labels, jax.random.split(key, len(labels))))

    def _train(self, network: nn.Module, data: Batch, key: jax.Array) -> Params:
        """Averaged weights, trained on ``data``."""
        model, size = Classification(), min(self.batch_size, len(data.x))
        key_start, key_steps = jax.random.split(key)

        def loss(params, key, batch):
            rows = jax.random.randint(key, (size,), 0, len(batch.x))
            return model.training_loss(network, params, key, jax.tree.map(lambda a: a[rows], batch))

        rate = optax.cosine_decay_schedule(self.learning_rate, self.steps)
        optimizer = optax.adamw(rate, weight_decay=1e-4)
        step = make_step(loss, optimizer, ema_decay=0.99)
        start = initial_state(model.initial_params(network, key_start, data), optimizer)
        last, _ = jax.lax.scan(
            lambda state, _: (step(state, key_steps, data)[0], None), start, None, self.steps
        )
        return last.ema


def _standardised(
    first: Float[np.ndarray, "number columns"], second: Float[np.ndarray, "number columns"]
) -> tuple[Float[np.ndarray, "both kept"], Bool[np.ndarray, " columns"]]:
    """Both sets by the first one's mean and spread, and which columns were kept.

    A column that is constant in the first set is told by the spread of both, and left out where it
    is constant in both: a classifier would take the last digit for a difference.
    """
    both = np.concatenate([first, second])
    coarser = np.maximum(precision_of(first), precision_of(second))
    one, together = spread(first, coarser), spread(both, coarser)
    scales = np.where(one > 0, one, together)
    kept = (scales > 0) & (together > 0)
    if not kept.any():
        raise InputError(
            "expected vectors that differ, got the same in all columns but for rounding; no "
            "classifier can tell them apart"
        )
    x = (both - first.mean(axis=0))[:, kept] / scales[kept]
    return x.astype(np.float32), kept
