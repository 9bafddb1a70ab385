"""Proofs of the RTL: properties bound to its modules, and what decides them."""
