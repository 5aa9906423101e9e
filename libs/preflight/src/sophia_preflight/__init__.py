"""Finds what would break a deployment before it starts, in any repository."""
