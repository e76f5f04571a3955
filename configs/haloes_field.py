"""Haloes from a linear field: births on the Lagrangian grid, with masses and velocities.

Paper:   Luedke et al. 2023, arXiv:2311.01139 (thinning of point sets); docs/fields.md
Data:    galgen simulate --engine particle-mesh --simulator.box 256 --simulator.particles 64 \\
           --field-mesh 64 --train 40 --test 8 --contrast 0 --omega-m 0.15 0.45 \\
           --sigma-8 0.65 0.95 --output runs/field_suite.h5
Command: galgen train haloes_field --run runs/haloes_field
Cost:    46 CPU-minutes on 34 boxes of 500 Mpc/h, and about 15 for the draws that it learns from
Score:   see benchmarks/RESULTS.md, "Haloes from a field"
"""

from pathlib import Path

from galgen import Experiment, Trainer
from galgen.lagrangian import LagrangianDataset, LagrangianHaloes, LagrangianNetwork

experiment = Experiment(
    data=LagrangianDataset(Path("runs/field_suite.h5")),
    network=LagrangianNetwork(),
    model=LagrangianHaloes(),
    trainer=Trainer(
        steps=2300,
        batch_size=1,
        learning_rate=3e-3,
        clip_norm=5.0,
        ema_decay=0.98,
        log_every=25,
    ),
)
