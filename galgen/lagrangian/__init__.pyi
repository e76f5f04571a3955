from galgen.lagrangian.dataset import LagrangianDataset as LagrangianDataset
from galgen.lagrangian.encoding import LagrangianEncoding as LagrangianEncoding
from galgen.lagrangian.grid import GridUnits as GridUnits
from galgen.lagrangian.grid import LagrangianGrid as LagrangianGrid
from galgen.lagrangian.model import LagrangianHaloes as LagrangianHaloes
from galgen.lagrangian.network import LagrangianNetwork as LagrangianNetwork
from galgen.lagrangian.sampler import LagrangianSampler as LagrangianSampler
