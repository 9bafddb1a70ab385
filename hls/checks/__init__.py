"""Checks of the kernel sources that no compiler makes."""
