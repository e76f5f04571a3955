"""The interface of samplers of data, and their result."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Annotated, Any

import flax.struct
import jax
from jaxtyping import Array, Bool, Float, Int

from galgen.checked import Bound


@flax.struct.dataclass
class Samples:
    """The result of a sampler.

    =========== ================================ ======================================
    field       shape                            meaning
    =========== ================================ ======================================
    x           ``(batch, *event)``              draws, standardised; padded rows zero
    evaluations int or ``(batch,)``              network evaluations per draw
    trajectory  ``(steps + 1, batch, *event)``   states at every time, if asked for
    mask        ``(*times, batch, points)``      rows that are points, at every time of a
                                                 trajectory; None for those that were asked for
    =========== ================================ ======================================
    """

    x: Float[Array, "batch *event"]
    evaluations: int | Int[Array, "*batch"]
    trajectory: Float[Array, "times batch *event"] | None = None
    mask: Bool[Array, "*times batch points"] | None = None


class SamplingMethod(abc.ABC):
    """A way to draw from a generative model with its weights.

    Attributes:
        has_own_number: whether clouds are drawn with a number of points of the model's own where no
            mask is given.
    """

    has_own_number = False

    @property
    @abc.abstractmethod
    def draws(self) -> type:
        """The class of what it draws from, that ``Model.with_params`` returns."""

    @abc.abstractmethod
    def __call__(
        self,
        model: Any,
        key: jax.Array,
        shape: tuple[int, ...],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
        trajectory: bool = False,
    ) -> Samples:
        """Draw ``shape[0]`` examples.

        Args:
            model: with its weights, as ``Model.with_params`` returns it.
            key: fixes the start, and what is random in the steps.
            shape: ``(batch, *event)``.
            mask: True where a row is to be a real point; None if all are, or for a number of
                points of the model's own (``has_own_number``).
            condition: standardised parameters, one row per example.
            trajectory: also return the states at every time.

        Raises:
            InputError: for a path that the method cannot follow.
        """


def _is_sampler_or_none(value: Any) -> bool:
    return value is None or isinstance(value, SamplingMethod)


if TYPE_CHECKING:
    OptionalSampler = SamplingMethod | None
else:  # Of a union the command line would ask for the name of a class before any option of it.
    OptionalSampler = Annotated[Any, Bound("that is a sampler or None", _is_sampler_or_none)]
