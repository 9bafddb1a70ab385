"""A model of the kernels' loops, memories and multipliers: arithmetic, not a synthesis report."""
