"""Tables of any format: opened, columns chosen, units converted; tables of parameters."""
