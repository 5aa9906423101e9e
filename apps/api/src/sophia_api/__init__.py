"""Sophia's backend: chat with memory and tools."""
