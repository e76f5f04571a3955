"""What is measured on held-out examples while a network trains.

The loss falls on training catalogues long after it has stopped falling on others, and says little
of how true the draws are. An evaluation takes, with the averaged weights, the loss of the same
held-out batches with the same draws of time and noise each time, and compares catalogues that it
draws with held-out ones of the same conditions, as ``galgen validate`` does.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int

from galgen.checked import Count, Whole, checked
from galgen.data.catalogue import Catalogue
from galgen.data.dataset import Dataset
from galgen.data.encoding import Condition
from galgen.data.features import condition_value
from galgen.data.field import Field
from galgen.data.suite import Suite
from galgen.errors import InputError
from galgen.losses import MeanLoss, as_sums, pooled
from galgen.randomness import Role, random_key
from galgen.training import Loss, TrainState
from galgen.training.evaluator import Evaluator
from galgen.training.sharding import gathering, put_batch, replicated, whole
from galgen.types import Batch, Params
from galgen.validation.sets import MINIMUM_CATALOGUES

LOSS = "held_out.loss"
Draw = Callable[[Params, Sequence[Condition], Sequence[Field] | None], list[Catalogue]]


@dataclasses.dataclass(frozen=True)
@checked
class Evaluation:
    """What is measured on held-out examples while a network trains.

    Attributes:
        every: steps between measurements; 0 for none.
        split: the held-out split of a suite.
        batches: at most, of the trainer's size, for the loss: its mean over all held-out examples,
            each once, or over a random choice, the same each time, of more than these hold.
        draws: catalogues that are drawn and compared; 0 for none.
        best: the number that is smallest for the checkpoint that is kept in ``best``:
            ``held_out.loss``, or another of the log, such as ``held_out.xi.chi2``.
    """

    every: Whole = 0
    split: str = "validation"
    batches: Count = 8
    draws: Whole = 0
    best: str = LOSS

    def __post_init__(self) -> None:
        if self.draws and self.draws < MINIMUM_CATALOGUES:
            raise InputError(
                f"expected 0 draws or {MINIMUM_CATALOGUES} and more, got {self.draws}; "
                "change --evaluation.draws"
            )

    def evaluator(
        self,
        data: Dataset,
        source: Source,
        loss: Loss,
        draw: Draw,
        condition: Sequence[str],
        mesh: Mesh,
    ) -> Evaluator:
        """How a trainer measures.

        Args:
            data: what is trained on, which knows what is held out.
            source: of held-out examples; on several processes, the rows of this one.
            loss: of training, without augmentation.
            draw: catalogues of some conditions and fields by some weights.
            condition: its names.
            mesh: of all devices of all processes.

        Raises:
            InputError: if draws are to be compared and there is nothing to compare them with.
        """

        @functools.partial(jax.jit, out_shardings=replicated(mesh))
        def evaluate(params: Params, number: Int[Array, ""], batch: Batch) -> MeanLoss:
            key = jax.random.fold_in(random_key(Role.HELD_OUT_LOSS, 0), number)
            return as_sums(gathering(loss, mesh)(params, key, batch), batch)

        held_out = self._held_out(data) if self.draws else []
        conditions = [{name: condition_value(c, name) for name in condition} for c in held_out]
        fields = data.held_out_fields(self.split, len(held_out)) if held_out else None

        def measure(state: TrainState) -> dict[str, float]:
            losses = [
                evaluate(state.ema, np.int32(number), put_batch(batch, mesh))
                for number, batch in enumerate(source.once(self.batches))
            ]
            found = {LOSS: pooled(jax.device_get(losses))}
            if held_out:
                weights = jax.tree.map(
                    lambda a: np.asarray(a.addressable_data(0)), whole(state.ema, mesh)
                )
                found |= self._compared(draw(weights, conditions, fields), held_out, fields)
            return found

        return Evaluator(self.every, measure, self.best)

    def _held_out(self, data: Dataset) -> list[Catalogue]:
        """The catalogues that draws are compared with."""
        path = data.held_out()
        if path is None:
            raise InputError(
                f"expected catalogues to compare draws with, got {type(data).__name__}; "
                "leave out --evaluation.draws"
            )
        with Suite(path) as suite:
            found = [suite[i] for i in suite.indices(self.split)[: self.draws].tolist()]
        if len(found) < MINIMUM_CATALOGUES:
            raise InputError(
                f"expected {MINIMUM_CATALOGUES} catalogues or more in the split {self.split!r} of "
                f"{path}, got {len(found)}; change --evaluation.split"
            )
        return found

    def _compared(
        self,
        drawn: Sequence[Catalogue],
        held_out: Sequence[Catalogue],
        fields: Sequence[Field] | None,
    ) -> dict[str, float]:
        """The numbers of ``galgen validate`` that are finite."""
        # Only where draws are compared: all statistics come with it.
        from galgen.validation.checks.phases import SharedField
        from galgen.validation.comparison import compare
        from galgen.validation.verdict import identifier

        shared = [SharedField(*each) for each in zip(fields or (), held_out, drawn, strict=False)]
        sets = {self.split: drawn}, {self.split: held_out}
        found = compare(*sets, phases={self.split: shared}).numbers
        again = f"{identifier(self.split)}."
        return {
            f"held_out.{name}": value
            for name, value in found.items()
            if math.isfinite(value) and not name.startswith(again)
        }
