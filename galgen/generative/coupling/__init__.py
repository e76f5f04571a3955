"""Which base point travels to which data point.

A coupling permutes the base draw before the path is laid, and leaves the data as they are. Base
draws are independent and identically distributed, so any permutation leaves their law as a *set*
intact: both marginals are exact. Ways become shorter and cross less.

Within a cloud, rows are exchangeable, and pairs must be a true permutation: targets sampled with
replacement become false close pairs in the generated catalogue. Paths of an optimal assignment are
as long as the mean separation of points rather than the box, nearly straight, and decided by nearby
points: a local network can learn them. Mean squared displacements and time for N points:

=================== ============================== =================== =====================
coupling            mean squared displacement      time                where
=================== ============================== =================== =====================
OptimalAssignment   least, about 0.65 N^(-2/3)     N^3                 host
SinkhornAssignment  at most 1.1 of the least       N^2, many rounds    device
BisectionAssignment about 1.7 of the least         N log^2 N           device
SpaceFillingCurve   of order N^(-1/3)              N log N             device
Independent         1/4 (uniform on the torus)     none
=================== ============================== =================== =====================

``MinibatchTransport`` pairs whole examples across a batch instead, and has something to say about
conditions.
"""

from galgen.generative.coupling.assignment import OptimalAssignment
from galgen.generative.coupling.base import CloudCoupling, Coupling, Independent
from galgen.generative.coupling.bisection import BisectionAssignment
from galgen.generative.coupling.curve import SpaceFillingCurve
from galgen.generative.coupling.minibatch import MinibatchTransport
from galgen.generative.coupling.sinkhorn import SinkhornAssignment

__all__ = [
    "BisectionAssignment",
    "CloudCoupling",
    "Coupling",
    "Independent",
    "MinibatchTransport",
    "OptimalAssignment",
    "SinkhornAssignment",
    "SpaceFillingCurve",
]
