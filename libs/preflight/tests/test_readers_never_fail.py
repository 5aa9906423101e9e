"""Readers take any text: they return, and they return soon."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sophia_preflight import facts
from sophia_preflight.readers import dockerfile, json, makefile, shell, yaml

PIECES = st.sampled_from(
    ["$(", "${", "}", ")", "`", '"', "'", "\\", "\n", "<<EOF", "EOF", "|", "&&", "||", ";;", "case", "esac", "if",
     "then", "fi", "do", "done", "for", "in", "{", "[[", "]]", "#", ":", "-", "&x", "*x", "<<:", "[", "]", ",", "FROM",
     "RUN", "COPY", "--from=", "define", "endef", "\t", " ", "=", "a", "é", "\ue100", "\x00", "%", "@", "!",
     "```bash\n", "```\n", "<!--", "$ ./x", "git clone a/b"]
)  # fmt: skip
USUAL = settings().max_examples
TEXTS = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=200)


@settings(max_examples=3 * USUAL, deadline=2000)
@given(TEXTS)
@example("define ")
def test_any_text_is_read(text: str) -> None:
    shell.parse(text)
    dockerfile.parse("Dockerfile", text)
    makefile.parse("Makefile", text)
    json.parse(text, comments=True)
    yaml.parse(text)


@settings(max_examples=3 * USUAL // 2, deadline=4000)
@given(TEXTS, st.sampled_from(["shell", "python", "make", "package", "workflow", "compose", "dockerfile", "yaml",
                               "procfile", "systemd", "crontab", "agents", "document"]))  # fmt: skip
@example("again() { try && again\n}\nagain || again\n", "shell")
def test_facts_of_any_text_are_made(text: str, kind: str) -> None:
    facts.read(kind, "some/file.json", text)
