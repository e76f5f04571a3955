"""The classifier two-sample test of whole catalogues: generated against held-out.

As :mod:`galgen.inference.calibration.two_sample`, but the classifier sees the clouds, by a network
that is trained by the house's trainer, once for each fold. To train anew under permuted labels
would cost as much for each permutation; the null is found instead by permuting the labels of the
held-out catalogues of each fold while what the classifier says of them stays: under the null they
are exchangeable, whatever it was trained on (Kim et al. 2021, arXiv:1602.02210).

Catalogues are standardised together, by mean and deviation of both sets: the classifier sees no
difference that the data do not have.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from galgen.checked import FILLED, Names, Seed, Whole, at_least, checked
from galgen.data.batching import BatchSource, bucket_sizes, pad
from galgen.data.catalogue import Catalogue
from galgen.data.normalization import Standardizer
from galgen.errors import InputError
from galgen.inference.calibration.two_sample import ClassifierTwoSample
from galgen.inference.neural.classifier import Classification, CloudClassifier
from galgen.networks.deep_set import DeepSet
from galgen.networks.encoder import PooledNetwork
from galgen.randomness import Role, random_generator, random_key
from galgen.training import Trainer
from galgen.types import Batch

BATCH = 16


@dataclasses.dataclass(frozen=True)
@checked
class CatalogueTest:
    """The test and its classifier; see the module's docstring.

    Attributes:
        network: gives two logits of a cloud, called as ``network(x, mask)``.
        trainer: of each fold.
        columns: what the classifier sees; ``log_<name>`` is log10 of column ``<name>``.
        folds: of the cross-validation.
        permutations: of held-out labels; they cost nothing.
        seed: of folds, weights and permutations.
    """

    network: nn.Module = CloudClassifier(PooledNetwork(DeepSet(64, 2, relative=True)))
    trainer: Trainer = Trainer(steps=300, batch_size=16, learning_rate=1e-3)
    columns: Annotated[Names, FILLED] = ("x", "y", "z")
    folds: Annotated[int, at_least(2)] = 5
    permutations: Whole = 999
    seed: Seed = 0

    def __call__(
        self, generated: Sequence[Catalogue], held_out: Sequence[Catalogue]
    ) -> ClassifierTwoSample:
        """Test two sets of catalogues; the larger is cut to the size of the smaller.

        Raises:
            InputError: for fewer than two catalogues of each in every fold, or sets that do not
                share a box or the columns.
            FloatingPointError: if the classifier diverges.
        """
        rng = random_generator(Role.CLASSIFIER_FOLDS, self.seed)
        number = min(len(generated), len(held_out)) // self.folds * self.folds
        if self.folds < 2 or number < 2 * self.folds:
            raise InputError(
                f"expected at least two folds of two catalogues of each set, got {len(generated)} "
                f"and {len(held_out)} in {self.folds} folds; draw more, or use fewer"
            )
        both = [*generated[:number], *held_out[:number]]
        standardizer = Standardizer.fit(both, self.columns, ())
        clouds = [standardizer.encode(catalogue) for catalogue in both]
        truth = np.arange(2 * number) >= number
        # As many of each set in every fold, so that 1/2 stays the accuracy of chance.
        fold = np.concatenate([rng.permutation(np.arange(number) % self.folds) for _ in range(2)])
        said = np.empty(2 * number, bool)
        for i in range(self.folds):
            said[fold == i] = self._classify(clouds, truth, fold == i)
        right = said == truth
        null = np.zeros(self.permutations)
        for i in range(self.folds):
            members = np.flatnonzero(fold == i)
            shuffled = np.stack([rng.permutation(truth[members]) for _ in range(len(null))])
            null += np.sum(shuffled == said[members], axis=1) / (2 * number)
        accuracy = float(right.mean())
        p_value = (1 + int(np.sum(null >= accuracy))) / (1 + len(null)) if len(null) else None
        folds = np.array([right[fold == i].mean() for i in range(self.folds)])
        return ClassifierTwoSample(accuracy, folds, null, p_value, number)

    def _classify(
        self,
        clouds: list[Float[np.ndarray, "_ columns"]],
        labels: Bool[np.ndarray, " clouds"],
        unseen: Bool[np.ndarray, " clouds"],
    ) -> Bool[np.ndarray, " unseen"]:
        """The labels that a classifier gives to unseen clouds after training on the others."""
        model = Classification()
        seen: Int[np.ndarray, " seen"] = np.flatnonzero(~unseen)
        one_hot = np.eye(2, dtype=np.float32)[labels[seen].astype(int)]
        sizes = bucket_sizes([len(cloud) for cloud in clouds], 2)
        source = BatchSource(
            [clouds[i] for i in seen], one_hot, self.trainer.batch_size, self.seed, len(sizes)
        )

        def loss(params, key, batch):
            return model.mean_loss(self.network, params, key, batch)

        first = jax.tree.map(lambda a: jnp.asarray(a[:1]), source.batch(0))
        fresh = random_key(Role.CLASSIFIER_WEIGHTS, self.seed)
        params = jax.jit(lambda key: model.initial_params(self.network, key, first))(fresh)
        with tempfile.TemporaryDirectory() as folder:
            state = self.trainer.fit(loss, params, source, Path(folder))
        tell = jax.jit(lambda params, batch: model.with_params(self.network, params)(batch))
        left = np.flatnonzero(unseen)
        said = np.empty(len(left), bool)
        for start in range(0, len(left), BATCH):
            rows = np.resize(left[start : start + BATCH], BATCH)
            x, mask = pad([clouds[i] for i in rows], sizes[-1])
            found = np.asarray(tell(state.ema, Batch(x, mask)))[: len(left) - start]
            if not np.all(
                np.isfinite(found)
            ):  # of which the most probable class would be the first
                raise FloatingPointError(
                    "expected finite outputs of the classifier, got others: it has diverged; lower "
                    "the learning rate of its trainer"
                )
            said[start : start + BATCH] = found.argmax(axis=-1)
        return said
