"""Integer transformer layers, the same bits from PyTorch to FPGA boards."""

__version__ = "0.1.0"
