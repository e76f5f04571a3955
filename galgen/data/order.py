"""Which examples make up a batch: each as often as any other, those of like size together.

Epochs follow one another as one row of examples, each a new shuffle of all of them, and batches are
cut from that row: no example is drawn twice before every other was drawn once, and none is repeated
or left out to make a batch full. As many batches as show an epoch make a *window*. Within it the
examples are put in order of size before they are cut. A batch then has examples of one size, or of
two where they meet. Examples of a rare size share a batch with others: alone in one they would
count as much as a whole batch.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float, Int

from galgen.errors import InputError
from galgen.randomness import Role, random_generator

Rows = Int[np.ndarray, " batch"]


class Order:
    """Which examples make up batch number ``step``, a pure function of the seed and the step.

    Args:
        size: of every example, in any unit; those of one size go together.
        batch_size: examples in every batch.
        seed: of the shuffles.

    Raises:
        InputError: if there is no example, or the batch size is below one.
    """

    def __init__(self, size: Int[np.ndarray, " examples"], batch_size: int, seed: int) -> None:
        if batch_size < 1 or not len(size):
            raise InputError(
                f"expected examples and a batch size of at least one, got {len(size)} examples and "
                f"batch size {batch_size}; pass data and a positive size"
            )
        self._size, self._batch_size, self._seed = np.asarray(size), batch_size, seed
        self.batches_per_epoch = -(-len(size) // batch_size)
        self._window = functools.lru_cache(maxsize=2)(self._cut)

    def batch(self, step: int) -> Rows:
        """The examples of a batch of training.

        Raises:
            InputError: if ``step`` is negative.
        """
        if step < 0:
            raise InputError(f"expected a step of 0 or more, got {step}; count steps from 0")
        window, index = divmod(int(step), self.batches_per_epoch)
        return self._window(window)[index]

    def once(self, most: int) -> list[tuple[Rows, Float[np.ndarray, " batch"]]]:
        """Batches in which every example is once, with weights: 0 for those that fill the last one.

        Args:
            most: batches; of more examples these hold a random choice, the same each time.
        """
        chosen = random_generator(Role.HELD_OUT_EXAMPLES, self._seed).permutation(len(self._size))
        chosen = self._by_size(chosen[: most * self._batch_size])
        full = -(-len(chosen) // self._batch_size) * self._batch_size
        weight = (np.arange(full) < len(chosen)).astype(np.float32)
        batches = np.resize(chosen, full).reshape(-1, self._batch_size)
        return list(zip(batches, weight.reshape(batches.shape), strict=True))

    def _cut(self, window: int) -> Int[np.ndarray, "batches batch"]:
        """The batches of a window."""
        number, examples = self.batches_per_epoch * self._batch_size, len(self._size)
        start = window * number
        epochs = range(start // examples, (start + number - 1) // examples + 1)
        streams = (random_generator(Role.ORDER, self._seed, epoch) for epoch in epochs)
        shuffled = np.concatenate([stream.permutation(examples) for stream in streams])
        skipped = start - epochs[0] * examples
        rows = self._by_size(shuffled[skipped : skipped + number])
        batches = rows.reshape(-1, self._batch_size)
        return random_generator(Role.BATCHES, self._seed, window).permutation(batches)

    def _by_size(self, rows: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
        """The largest first; of one size as they come."""
        return rows[np.argsort(-self._size[rows], kind="stable")]
