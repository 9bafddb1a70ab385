"""Simulation of the RTL with Verilator: cocotb benches of modules, a C++ harness of tops."""
