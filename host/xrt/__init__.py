"""Alveo boards: XRT's software emulation with a device process of our own, without a board.

What passes here proves the host's calls and bytes against our model of a board, nothing about
silicon.
"""
