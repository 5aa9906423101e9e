"""Fixtures of the command line and its engine's interface; the script itself is in `scripted`."""

from apps.deployment.tests.scripted import commands, engine, places, root, server, sophia

__all__ = ["commands", "engine", "places", "root", "server", "sophia"]
