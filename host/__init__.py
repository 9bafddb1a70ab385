"""Drivers of boards, and what stands in for a board where there is none."""
