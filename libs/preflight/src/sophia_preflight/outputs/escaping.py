"""Foreign text made harmless to print."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Control and direction characters as escapes; what is printable stays."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if _harmless(each) else _escaped(each) for each in text)


def _harmless(char: str) -> bool:
    return char == "\t" or not unicodedata.category(char).startswith("C")


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
