"""Switches under a strict client, side by side: what each tool loses, doubles or mixes, and how fast it switches."""
