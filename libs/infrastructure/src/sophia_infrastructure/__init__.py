"""Adapters: what the core needs from outside, on real machines."""
