# %% [markdown]
# # A first look: one box of haloes and its clustering
#
# A catalogue is named columns with units, a box, a redshift and a cosmology. Here the embedded
# simulator makes two, at two cosmologies with the same initial phases, and xi(r) shows what
# changes. Lengths are Mpc/h, masses Msun/h. It runs in seconds.

# %%
import numpy as np
from matplotlib.figure import Figure

from galgen import Cosmology, HaloSimulator, two_point_correlation

simulator = HaloSimulator(box=128.0, mesh=64, mass_min=3e13)
low = simulator.simulate(Cosmology(omega_m=0.22, sigma_8=0.72), seed=1)
high = simulator.simulate(Cosmology(omega_m=0.38, sigma_8=0.88), seed=1)
low, high

# %% [markdown]
# More matter and stronger fluctuations make more haloes above the same mass; the rarer haloes of
# the low cosmology are the more strongly clustered ones.

# %%
edges = np.geomspace(4.0, 25.0, 7)
correlation = {
    name: two_point_correlation(catalogue.positions[None], None, edges, catalogue.box)
    for name, catalogue in (("low", low), ("high", high))
}

figure = Figure(figsize=(9, 4), layout="constrained")
slab, curve = figure.subplots(1, 2)
for name, catalogue, marker in (("low", low, "s"), ("high", high, "o")):
    x, y, z = catalogue.positions.T
    thin = z < 32.0
    slab.plot(x[thin], y[thin], marker, markersize=3, label=f"{name}, N = {len(catalogue)}")
    curve.plot(correlation[name].r, correlation[name].xi[0], marker + "-", label=name)
slab.set(xlabel="x [Mpc/h]", ylabel="y [Mpc/h]", aspect="equal", title="32 Mpc/h thick")
curve.set(xlabel="r [Mpc/h]", ylabel="xi(r)", xscale="log", yscale="log")
slab.legend()
curve.legend()
figure
