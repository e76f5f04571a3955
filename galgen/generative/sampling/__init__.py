"""From trained weights to draws and densities: samplers, step rules, ODE solvers, guidance."""
