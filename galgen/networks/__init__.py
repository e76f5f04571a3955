"""Networks: one call for all, ``network(x, t, mask, condition)``, Flax Linen."""

from galgen.networks.convolutional import ConvolutionalNetwork
from galgen.networks.graph_network import GraphNetwork
from galgen.networks.mlp import MLP
from galgen.networks.particle_mesh import ParticleMesh
from galgen.networks.set_transformer import SetTransformer

__all__ = ["MLP", "ConvolutionalNetwork", "GraphNetwork", "ParticleMesh", "SetTransformer"]
