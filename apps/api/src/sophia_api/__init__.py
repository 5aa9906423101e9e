"""Sophia's backend: chat with memory and tools. `python -m sophia_api` runs it."""
