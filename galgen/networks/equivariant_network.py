r"""An E(3)-equivariant network on e3nn: features are irreducible representations of O(3).

A feature of degree l has 2l + 1 components, which a rotation R mixes by the Wigner matrix D^l(R)
and an inversion multiplies by (-1)^l: scalars (l = 0), vectors (l = 1), and so on. Point i gathers,
from its k nearest neighbours j, products of their features with the spherical harmonics of the
direction to them (tensor field networks, Thomas et al. 2018, arXiv:1802.08219, section 4.1)::

    m_i = sum_r C_r k^(-1/2) sum_j w(r_ij) g_r(r_ij) [a_j x Y(e_ij)],    a_j = A h_j

where x is the tensor product reduced into irreps by the Clebsch-Gordan coefficients, Y the
spherical harmonics up to a degree, A and C_r learned linear maps within each degree, g_r Gaussians
in the logarithm of distance, and w a weight that falls smoothly to zero at the k-th neighbour.
Nothing learned stands inside the sum but a_j, so that one matrix product makes it (as the atomic
density of Drautz 2019, Phys. Rev. B 99, 014104, eq. 3). Points are updated from m_i, their own
features and the cloud's mean of them, by linear maps and by gates, which also see the squared norms
of what is not a scalar.

Positions enter through displacements only. In open space (``Euclidean``) the network is exactly
equivariant under E(3), reflections included; in the periodic box under translations of the torus
and the 48 symmetries of the cube, which are all that the box has. Harmonics are polynomials of a
direction e_ij that vanishes smoothly at zero distance, so coincident points have finite gradients.
Lengths are in units of the cloud's mean separation.
"""

from __future__ import annotations

import functools
from typing import Annotated, NamedTuple

import e3nn_jax as e3nn
import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from galgen.checked import Layers, Size, between, checked
from galgen.geometry import Geometry, PeriodicBox
from galgen.masking import masked_mean, number_of_points, zero_padding
from galgen.neighbors import in_domains
from galgen.networks.egnn import VectorColumns, join_vectors, split_vectors
from galgen.networks.layers import ZERO, Edges, Embedding, nearest_edges, read_columns

# Weights of standard deviation fan_in^(-1/2), as in nn.Dense, so that one learning rate suits both.
linear = functools.partial(e3nn.flax.Linear, gradient_normalization="element")


def normalize(h: e3nn.IrrepsArray) -> e3nn.IrrepsArray:
    """Scalars to mean 0 and variance 1 over channels; others to a mean square of at most 1.

    Vectors are divided by the root of one plus their mean square, so that a small force stays small
    and a zero one differentiable.
    """
    chunks = []
    for (_, ir), chunk in zip(h.irreps, h.chunks, strict=True):
        if ir.l == 0:
            chunk = chunk - jnp.mean(chunk, axis=-2, keepdims=True)
            variance = jnp.mean(chunk**2, axis=(-2, -1), keepdims=True) + 1e-6
        else:
            variance = jnp.mean(chunk**2, axis=(-2, -1), keepdims=True) + 1.0
        chunks.append(chunk / jnp.sqrt(variance))
    return e3nn.from_chunks(h.irreps, chunks, h.shape[:-1])


class AdaptiveIrrepsNorm(nn.Module):
    """Normalisation with a scale per irrep, and a shift of the scalars, read from the embedding."""

    @nn.compact
    def __call__(
        self, h: e3nn.IrrepsArray, embedding: Float[Array, "batch embedding"]
    ) -> e3nn.IrrepsArray:
        scale = nn.Dense(h.irreps.num_irreps, kernel_init=ZERO)(embedding)[:, None]
        shift = nn.Dense(h.irreps.count("0e"), kernel_init=ZERO)(embedding)[:, None]
        normal = normalize(h) * (1.0 + scale)
        array = normal.array.at[..., : shift.shape[-1]].add(shift)
        return e3nn.IrrepsArray(h.irreps, array)


class Density(NamedTuple):
    """The functions of displacement by which a point sums its neighbours.

    ========= ========================================== ======================================
    field     shape                                      meaning
    ========= ========================================== ======================================
    edges     :class:`Edges`                             to the neighbours
    basis     ``(batch, points, k, radial * harmonics)`` w(r) g_r(r) Y(e), harmonics innermost
    harmonics irreps                                     of Y: 0e + 1o + ... up to the degree
    ========= ========================================== ======================================
    """

    edges: Edges
    basis: Float[Array, "batch points k functions"]
    harmonics: e3nn.Irreps

    def moments(self, sources: e3nn.IrrepsArray) -> e3nn.IrrepsArray:
        """sum_j w g_r(r_ij) [a_j x Y(e_ij)], for every radial function and source, in irreps."""
        sent = self.edges.read(sources.array)
        total = jnp.einsum("bnkf,bnks->bnfs", self.basis, sent) / np.sqrt(sent.shape[2])
        total = total.reshape(*total.shape[:2], -1, self.harmonics.dim, sources.irreps.dim)
        irreps, chunks = [], []
        for (mul, ir), part in zip(sources.irreps, sources.irreps.slices(), strict=True):
            for (_, ir_way), way in zip(self.harmonics, self.harmonics.slices(), strict=True):
                product = total[..., way, part].reshape(*total.shape[:3], ir_way.dim, mul, ir.dim)
                for ir_out in (out for out in ir * ir_way if out in self.harmonics):
                    coupling = e3nn.clebsch_gordan(ir.l, ir_way.l, ir_out.l) * np.sqrt(ir_out.dim)
                    chunk = jnp.einsum("bnrjci,ijo->bnrco", product, coupling)
                    chunks.append(chunk.reshape(*total.shape[:2], -1, ir_out.dim))
                    irreps.append((chunks[-1].shape[-2], ir_out))
        return e3nn.from_chunks(irreps, chunks, total.shape[:2]).regroup()


def describe_density(edges: Edges, degree: int) -> Density:
    """Radial functions times spherical harmonics, under the weight that ends at the farthest."""
    harmonics = e3nn.spherical_harmonics(
        list(range(degree + 1)), e3nn.IrrepsArray("1o", edges.direction), normalize=False
    )
    radial = edges.radial * edges.weight[..., None]
    basis = (radial[..., None] * harmonics.array[..., None, :]).reshape(*radial.shape[:3], -1)
    return Density(edges, basis, harmonics.irreps)


class IrrepsUpdate(nn.Module):
    """Features from a point's own, the messages to it and the mean of the cloud, under gates."""

    @nn.compact
    def __call__(
        self,
        h: e3nn.IrrepsArray,
        messages: e3nn.IrrepsArray,
        mask: Bool[Array, "batch points"] | None,
    ) -> e3nn.IrrepsArray:
        irreps = h.irreps
        mean = e3nn.IrrepsArray(irreps, masked_mean(h.array, mask, axis=1)[:, None])
        mixed = linear(irreps)(e3nn.concatenate([h, messages]).regroup())
        mixed = mixed + linear(irreps)(mean)
        directed = mixed.filter(drop="0e")
        lengths = e3nn.norm(directed, squared=True, per_irrep=True)
        invariants = e3nn.concatenate([mixed.filter("0e"), lengths]).array
        # As many scalars as before, and a gate for every other irrep.
        scalars = e3nn.as_irreps_array(nn.Dense(irreps.num_irreps)(invariants))
        gated = e3nn.gate(e3nn.concatenate([scalars, directed]), even_act=nn.silu)
        return linear(irreps)(gated)


@checked
class EquivariantNetwork(nn.Module):
    """Messages of irreps over the ``k`` nearest neighbours; see the module's docstring.

    The first three columns are positions in the unit box, the others marks. Of the output, the
    columns of positions and of velocities are vectors, the others scalars.

    Attributes:
        width: scalars per point.
        vectors: features per point of each degree from 1 to ``degree``.
        degree: the largest degree of features and harmonics.
        layers: rounds of messages after the first.
        k: neighbours per point.
        radial: radial functions per edge.
        sources: features of each degree that a point shows to its neighbours.
        vector_columns: places of vx, vy, vz among the features, or None if all marks are scalars.
        geometry: ``PeriodicBox()`` or ``Euclidean()``.
    """

    width: Size = 32
    vectors: Size = 16
    degree: Annotated[int, between(1, 10)] = 1
    layers: Layers = 3
    k: Size = 16
    radial: Size = 12
    sources: Size = 8
    vector_columns: VectorColumns = None
    geometry: Geometry = PeriodicBox()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch points features"],
        t: Float[Array, " batch"],
        mask: Bool[Array, "batch points"] | None = None,
        condition: Float[Array, "batch condition"] | None = None,
    ) -> Float[Array, "batch points features"]:
        x, mask, back = in_domains(zero_padding(x, mask), mask, self.geometry)
        vectors, scalars = split_vectors(x, mask, self.geometry, self.vector_columns)
        embedding = Embedding(self.width)(t, condition, number_of_points(x, mask))
        edges = nearest_edges(x, mask, self.k, self.radial, self.geometry)
        density = describe_density(edges, self.degree)
        higher = [(self.vectors, ir) for _, ir in density.harmonics[1:]]
        irreps = e3nn.Irreps([(self.width, "0e"), *higher])

        spread = jnp.broadcast_to(embedding[:, None], (*x.shape[:2], self.width))
        node = jnp.concatenate([scalars, spread], axis=-1)
        node = read_columns(self, nn.Dense(self.width, name="input"), node, x.shape[-1])
        node = jnp.concatenate([node, vectors.reshape(*x.shape[:2], -1)], axis=-1)
        node = e3nn.IrrepsArray([(self.width, "0e"), (vectors.shape[2], "1o")], node)
        h = linear(irreps, force_irreps_out=True)(node)
        sources = e3nn.Irreps([(self.sources, ir) for _, ir in irreps])
        h = h + linear(irreps)(density.moments(linear(sources)(h)))
        for _ in range(self.layers):
            normal = AdaptiveIrrepsNorm()(h, embedding)
            gate = 1.0 + nn.Dense(irreps.num_irreps, kernel_init=ZERO)(embedding)[:, None]
            messages = density.moments(linear(sources)(normal))
            h = h + IrrepsUpdate()(normal, messages, mask) * gate

        outputs = 1 if self.vector_columns is None else 2
        out = e3nn.Irreps([(outputs, "1o"), (scalars.shape[-1], "0e")])
        h = AdaptiveIrrepsNorm()(h, embedding)
        read = linear(out, biases=True, parameter_initializer=lambda: ZERO)(h).array
        read_vectors = read[..., : 3 * outputs].reshape(*x.shape[:2], outputs, 3)
        columns = join_vectors(read_vectors, read[..., 3 * outputs :], self.vector_columns)
        return back(zero_padding(columns, mask))
