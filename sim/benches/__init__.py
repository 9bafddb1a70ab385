"""cocotb tests of the modules, one file a module; `transfab.sim.bench` builds and runs them."""
