"""Networks: one call for all, ``network(x, t, mask, condition)``, Flax Linen.

The output has the shape of ``x``, is zero at initialisation and on padding, and of order one in
every column: the bridge gives it its unit. Encoders and classifiers give one vector for each
example, ``network(x, mask)``.
"""

from galgen.networks.classifier import ConvolutionalClassifier, MLPClassifier
from galgen.networks.convolutional import ConvolutionalNetwork
from galgen.networks.deep_set import DeepSet
from galgen.networks.egnn import EGNN
from galgen.networks.encoder import PooledNetwork, VectorNetwork
from galgen.networks.equivariant_network import EquivariantNetwork
from galgen.networks.graph_network import GraphNetwork
from galgen.networks.mlp import MLP
from galgen.networks.particle_mesh import ParticleMesh
from galgen.networks.set_transformer import SetTransformer

__all__ = [
    "EGNN",
    "MLP",
    "ConvolutionalClassifier",
    "ConvolutionalNetwork",
    "DeepSet",
    "EquivariantNetwork",
    "GraphNetwork",
    "MLPClassifier",
    "ParticleMesh",
    "PooledNetwork",
    "SetTransformer",
    "VectorNetwork",
]
