"""Where texts give names to things: services, scripts, targets, stages, arguments, templates, keys of settings."""

from __future__ import annotations

import re

from sophia_preflight.mentions import Mention

_DEFINES = re.compile(
    r"^\s*[\"']?(?:name|id|hostname|container_name|secretName|claimName)[\"']?\s*[:=]\s*[\"']?"
    r"(?P<name>[A-Za-z_][\w.-]*)"
    r"|^\s*(?:-\s+)?[\"']?(?P<key>[A-Za-z_][\w.:-]*)[\"']?\s*(?:\?|\+|:)?[:=](?!=)"
    r"(?!\s*(?:[\"'](?:[\^~<>=*]|v?\d+\.|latest\b|workspace:)|\{\s*[\"']?(?:version|git|path|workspace|extras|python|url)\b))"
    r"|\b[Aa][Ss]\s+(?P<stage>[\w.-]+)\s*$|^\s*(?:ARG|ENV)\s+(?P<argument>\w+)"
    r"|\bdefine\s+\"(?P<template>[\w.-]+)\""
    r"|[\"'](?P<script>[\w-]+)\s*=\s*[\w.]+:\w+",
    re.MULTILINE,
)
"""What gives a name to something; what is given a version is somebody else's."""


def names_of(text: str) -> dict[str, str]:
    """Name that a text gives something -> what kind of thing."""
    return {match[kind]: kind for match in _DEFINES.finditer(text) if (kind := match.lastgroup)}


def line_of(text: str, name: str) -> int:
    """The first line on which a text gives something a name; 0 if none does."""
    at = next(
        (match.start(kind) for match in _DEFINES.finditer(text) if (kind := match.lastgroup) and match[kind] == name),
        None,
    )
    return 0 if at is None else text.count("\n", 0, at) + 1


def kind_of(use: Mention) -> str:
    """What kind of thing a use gives the name; empty where it is used only."""
    at = use.column - 1
    for match in _DEFINES.finditer(use.text):
        if (kind := match.lastgroup) and match.start(kind) <= at < match.end(kind):
            return kind
    return ""
