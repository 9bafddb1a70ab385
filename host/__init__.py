"""Boards: the driver of a layer on them, and emulated ones for where there is none."""
