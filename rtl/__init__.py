"""SystemVerilog of the four stages, and which files a module needs."""
