"""A secret in the repository, in the open."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.facts import Facts
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.secrets import Suspect
from sophia_preflight.standing import Standing, is_development, standing

RULE = Rule(
    id="committed-secret",
    title="a secret lies in the repository in the open",
    severity=Severity.HIGH,
    why="everybody who can read the repository, now or in any later copy of it, can use it",
    fix="make it invalid where it was issued, and read its successor from a secret store or the environment",
    family="secrets",
)
_DOCUMENTS = re.compile(
    r"(^|/)docs?[_-]src/|\.(md|mdx|rst|adoc|asciidoc|ipynb|html?)$|(^|/)(README|CHANGELOG|CONTRIBUTING)[^/]*$"
    r"|(^|/)PKG-INFO$|\.(egg|dist)-info/",
    re.IGNORECASE,
)
_EXAMPLE_FILE = re.compile(
    r"example|sample|template|\bdist\b|dummy|mock|fixture|\.tmpl$|\.tpl$|\.j2$|skeleton", re.IGNORECASE
)
_TELLING = re.compile(r"(^|/)(Makefile[^/]*|MANIFEST\.in|CMakeLists\.txt|meson\.build)$|\.(am|mk)$|(^|/)docs?/")
"""What builds and explains; it names every file, whatever it is for."""
_MOST_BYTES = 300_000
_SETTINGS = re.compile(r"\.(ya?ml|toml|ini|conf|cfg|properties|env)$|(^|/)\.env|(^|/)Dockerfile[^/]*$")
_SCRIPT = re.compile(r"\.(sh|bash)$|(^|/)Makefile$")
_PROGRAM = re.compile(r"(?<!\.test)(?<!\.spec)\.(py|sh|bash|go|rb|java|[cm]?[jt]s)$")
_EXPORTED = re.compile(r"\s*(export\s+)[A-Z]\w*=[\"']?[\w.-]+[\"']?\s*$")
_MODEL = re.compile(r"example|sample|template|dummy|mock|fixture|skeleton", re.IGNORECASE)
_MATERIAL = re.compile(r"(^|/)(tests?|testdata|fixtures?|mocks?|cassettes?|vendor)/|\{\{")
_OWN = ("a private key", "a password in an address", "a JSON web token", "a Stripe test key")
"""What everybody makes for himself."""
_TRIED_WITH = re.compile(
    r"(^|[/._-])(localhost|local|devstack|vagrant|self-?signed|snake-?oil|integration|tests?|testing|testserver|testbed|"
    r"test[_-]?(utils?|helpers?|support|lib|kit|suite|data|keys?|certs?)|benchmarks?|e2e\w*|fuzz(ing|ers?)?|fixtures?|mocks?|dummy|fakes?|"
    r"examples?|samples?|demos?|zuul\.d)([/._-]|$)",
    re.IGNORECASE,
)
"""Paths that say that what lies there opens nothing but what is started for a test or on one's own machine."""
_SET_OUT = re.compile(
    r"(^|/)(ctf|challenges?|honey[_-]?(pot|token)s?|decoys?|canar(y|ies)|[^/]*[_-]arena|side[_-]tasks?|red[_-]?team\w*|"
    r"[^/]*(exfiltrat|harmful|adversarial|jailbreak)[^/]*)/",
    re.IGNORECASE,
)
"""Paths that say that what lies there is set out to be found: for contests, and to see what agents do with it."""
_WRITTEN_WITH = re.compile(r"(^|[._-])(telemetry|analytics|usage_stats)([._-]|$)", re.IGNORECASE)
"""Modules that report how a program is used: the key that they all have lets everybody write, and nobody read."""
_TEST_FILE = re.compile(
    r"(^|[._/-])(tests?|unit|specs?|e2e|stories|testing|cypress)([._/-]|$)|(^|/)x?t/|\.t$", re.IGNORECASE
)


_INTERFACE = re.compile(r"""^[ {]*["']?(swagger|openapi|asyncapi)["']?[ ]*:""", re.MULTILINE)
_VERBS = (
    r"(download|fetch|get|upload|push|pull|sync|load|import|prepare|set_?up|install|create|make|start|run|publish"
    r"|deploy)"
)
_RUN = re.compile(
    rf"({_VERBS}[-_]\w*(test|example|sample)\w*|(example|sample)s?[-_]{_VERBS}\w*)\.(py|sh|bash|ps1|js|ts|rb)$",
    re.IGNORECASE,
)
"""Programs that do something for tests, and are none: what they are given opens what is outside."""


def check(context: Context) -> Iterable[Finding]:
    tried = _only_tried(context)
    for path, facts in context.facts.items():
        if facts.suspects:
            shown = _is_for_show(path) or _describes(context, path)
            for each in facts.suspects:
                if not shown or _is_issued(path, each) or _is_exported(context, path, each) or _is_pair(path, each):
                    yield _finding(path, each, tried=path in tried)


def _only_tried(context: Context) -> set[str]:
    """Private keys that only tests name, and what lies beside them, builds or explains; and settings that only tests
    name which lie above them."""
    keys = {path for path, facts in context.facts.items() if _is_key(facts) and not _is_for_show(path)}
    settings = {
        path
        for path, facts in context.facts.items()
        if facts.suspects and path not in keys and "/" in path and _SETTINGS.search(path) and not _is_for_show(path)
    }
    users = _users(context, keys | settings)
    between = {each for path in keys for each in users.get(path, ()) if _SETTINGS.search(each) and not _is_trial(each)}
    through = _users(context, between)
    found = set()
    for path in keys | settings:
        beside = posixpath.dirname(path) + "/"
        others = [each for each in users.get(path, ()) if not each.startswith(beside)]
        trials = bool(others) and all(_is_trial(each) or _are_trials(through.get(each, ())) for each in others)
        if trials and (path in keys or all(path.startswith(f"{posixpath.dirname(each)}/") for each in others)):
            found.add(path)
    return found


def _is_key(facts: Facts) -> bool:
    return any(each.kind == "a private key" and each.line == 1 for each in facts.suspects)


def _users(context: Context, wanted: set[str]) -> dict[str, set[str]]:
    """Who names each of these files, by its name or by the end of its path."""
    if not wanted:
        return {}
    by_name: dict[str, list[str]] = {}
    for path in wanted:
        by_name.setdefault(posixpath.basename(path), []).append(path)
    names = "|".join(map(re.escape, sorted(by_name, key=len, reverse=True)))
    pattern = re.compile(rf"(/?(?:[\w.-]+/)*)(?<![\w.-])({names})(?![\w-])")
    users: dict[str, set[str]] = {}
    for path, entry in context.repository.entries.items():
        if entry.size < _MOST_BYTES and not _TELLING.search(path) and not _DOCUMENTS.search(path):
            for folder, name in set(pattern.findall(context.repository.glimpse(path))):
                inner = re.sub(r"^(\.{1,2}/)+", "", folder)
                for each in by_name[name]:
                    # an absolute one says where it is installed
                    if each != path and (inner.startswith("/") or f"/{each}".endswith(f"/{inner}{name}")):
                        users.setdefault(each, set()).add(path)
    return users


def _are_trials(paths: Collection[str]) -> bool:
    return bool(paths) and all(map(_is_trial, paths))


def _is_trial(path: str) -> bool:
    return standing(path) in (Standing.TEST, Standing.EXAMPLE) or bool(_TEST_FILE.search(path))


def _is_for_show(path: str) -> bool:
    """Tests, examples, documents and other people's code: what looks like a secret there is meant to be seen."""
    if standing(path) in (Standing.TEST, Standing.EXAMPLE, Standing.VENDORED):
        return True
    name = posixpath.basename(path)
    return bool(_DOCUMENTS.search(path) or _EXAMPLE_FILE.search(name) or _TEST_FILE.search(path))


def _describes(context: Context, path: str) -> bool:
    """Whether it is the description of an interface, whose values are examples."""
    return path.endswith((".yaml", ".yml", ".json")) and _INTERFACE.search(context.repository.glimpse(path)) is not None


def _is_issued(path: str, suspect: Suspect) -> bool:
    """Whether it is what some service issues, in what is run: a program, or settings of examples and tests."""
    if suspect.key or suspect.kind in _OWN:
        return False
    return _is_tried(path) or _is_program(path) or _is_model(path)


def _is_model(path: str) -> bool:
    """Settings for others to copy: what a service has issued is real there, too, as all else is a stand-in."""
    directory, name = posixpath.split(path)
    plain = re.sub(r"[._-]?(example|sample|template|dist)", "", name, flags=re.IGNORECASE)
    lies = posixpath.join(directory, plain or "settings")
    written = _SETTINGS.search(lies) is not None
    return bool(_MODEL.search(name)) and written and standing(lies) is Standing.PRODUCT and not _MATERIAL.search(path)


def _is_exported(context: Context, path: str, suspect: Suspect) -> bool:
    """Whether a script of tests or examples sets a variable to what some service issues: it is used where that runs."""
    if suspect.key or suspect.kind in _OWN or not _SCRIPT.search(path):
        return False
    if _EXAMPLE_FILE.search(posixpath.basename(path) if standing(path) is Standing.EXAMPLE else path):
        return False
    lines = context.repository.text(path).split("\n")
    line = lines[suspect.line - 1] if suspect.line <= len(lines) else ""
    return standing(path) in (Standing.TEST, Standing.EXAMPLE) and _EXPORTED.match(line) is not None


def _is_pair(path: str, suspect: Suspect) -> bool:
    """Whether a program of examples, or a page of the project, holds both halves of an access key: whoever runs it, or
    does what the page says, uses them."""
    is_whole = suspect.kind == "an AWS access key" and suspect.confidence == Confidence.CERTAIN
    page = _DOCUMENTS.search(path) is not None and not _MATERIAL.search(path)
    return is_whole and (page or (_PROGRAM.search(path) is not None and standing(path) is Standing.EXAMPLE))


def _is_program(path: str) -> bool:
    directory, name = posixpath.split(path)
    lies = f"{directory}/program" if directory else "program"
    return _RUN.match(name) is not None and standing(lies) is Standing.PRODUCT and not _TEST_FILE.search(f"{lies}.py")


def _is_tried(path: str) -> bool:
    if not _SETTINGS.search(path) or _MODEL.search(posixpath.basename(path)):
        return False
    inner = path if standing(path) is Standing.EXAMPLE else posixpath.basename(path)
    return not _MATERIAL.search(inner) and standing(path) in (Standing.EXAMPLE, Standing.PRODUCT)


def _opens_little(path: str, suspect: Suspect) -> bool:
    """Whether it is a key or password of something local; tokens are issued by somebody, wherever they lie."""
    is_own = bool(suspect.key) or suspect.kind == "a private key"
    if suspect.key and _WRITTEN_WITH.search(posixpath.basename(path)):
        return True
    if _SET_OUT.search(path):
        return is_own or (suspect.kind in _CHECKSUMMED and suspect.confidence != Confidence.CERTAIN)
    return is_own and bool(_TRIED_WITH.search(path) or (suspect.key and is_development(path)))


_CHECKSUMMED = ("a GitHub token", "an npm token")
"""Whose checksum says for certain that nobody made them up, and not that somebody did."""


def _finding(path: str, suspect: Suspect, *, tried: bool = False) -> Finding:
    severity, confidence = Severity(suspect.severity), Confidence(suspect.confidence)
    if tried or _opens_little(path, suspect):
        severity = severity.at_most(Severity.MEDIUM)
    what = (
        f"the value of `{suspect.key}` is written here in the open"
        if suspect.key
        else f"{suspect.kind} is written here"
    )
    excused = ", in a line that tells scanners to look away" if suspect.excused else ""
    doubt = ""
    if suspect.kind in _CHECKSUMMED and confidence is not Confidence.CERTAIN:
        doubt = "; its checksum does not fit, so it may have been changed or made up"
        confidence = confidence if standing(path) is Standing.PRODUCT else Confidence.GUESS
    return RULE.found(
        what + excused + doubt,
        Place(path, suspect.line, suspect.column),
        anchor=f"{suspect.kind} {suspect.key}",
        severity=severity.at_most(Severity.LOW) if suspect.excused else severity,
        confidence=confidence,
    )


def _joined(*parts: str) -> str:
    """Examples are put together here, so that no scanner takes this file for a leak."""
    return "".join(parts)


_PRIVATE_KEY = _joined(
    "-----BEGIN PRIV",
    "ATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIGHmDbfJgbjmn5rFAoDbmOTmT3zYe9j0qvBv8KrGhV5L\\n-----END PRIV",
    "ATE KEY-----",
)
_FINE_GRAINED = _joined(
    "github_", "pat_11AQK7ZBY0rTqW5mXc9LpV_e3HsNf8JdUo2GkRb6Yv", "Tz1PiMwCxAl4SnEhD7QgFtB9jKuX5OcVaL2ZrW8y"
)
BAD = [
    tree(f"""
        === deploy/settings.py
        GITHUB = "{_joined("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")}"
    """),
    tree(f"""
        === .env
        AWS_ACCESS_KEY_ID={_joined("AK", "IAY3FDZ7QW2KXL5MTB")}
        AWS_SECRET_ACCESS_KEY={_joined("wQ7x/Zp9rT3vLk2", "NfGh8JdSa5KcVbXyEuMi6OqRt")}
    """),
    tree(f"""
        === service/account.json
        {{"type": "service_account", "private_key": "{_PRIVATE_KEY}"}}
    """),
    tree(f"""
        === docker-compose.prod.yml
        services:
          db:
            image: postgres:16
            environment:
              POSTGRES_PASSWORD: {_joined("vT9#kq", "L2zR8w")}
    """),
    tree(f"""
        === app/db.py
        URL = "postgresql://svc_orders:{_joined("Zk81hVqT", "x0Lw")}@db.prod.acme-corp.com:5432/orders"
    """),
    tree(f"""
        === compose.test.yml
        services:
          api:
            image: api:1
            environment:
              - SERVICE_TOKEN={_joined("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")}
    """),
    tree(f"""
        === deploy/settings.example.yaml
        # copy this to settings.yaml
        registry: registry.example.com
        github_token: {_joined("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")}
    """),
    tree(f"""
        === tests/harness.sh
        #!/bin/sh
        export GH_TOKEN={_FINE_GRAINED}
        gh release list
    """),
    tree(f"""
        === docs/backups.md
        ```json
        {{
          "accessKeyId": "{_joined("AK", "IAY3FDZ7QW2KXL5MTB")}",
          "secretAccessKey": "{_joined("wQ7x/Zp9rT3vLk2", "NfGh8JdSa5KcVbXyEuMi6OqRt")}"
        }}
        ```
    """),
    tree(f"""
        === docker/example_run.sh
        docker run --env "GH_TOKEN={_FINE_GRAINED}" example/shop
    """),
    tree(f"""
        === docs/_static/ingest_example.py
        store = boto3.resource(
            "s3",
            aws_access_key_id="{_joined("AK", "IAY3FDZ7QW2KXL5MTB")}",
            aws_secret_access_key="{_joined("wQ7x/Zp9rT3vLk2", "NfGh8JdSa5KcVbXyEuMi6OqRt")}",
        )
    """),
    tree(f"""
        === examples/inference/run.sh
        #!/bin/bash
        export HF_TOKEN={_joined("h", "f_iQpXvTzKdRwLbYcNmUsGhJeAoFtVxBqEuD")}
        python infer.py
        === examples/inference/infer.py
        print("done")
    """),
]
GOOD = [
    tree("""
        === .env.example
        AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
        === docker-compose.yml
        services:
          db:
            image: postgres:16
            environment:
              POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?}
              OTHER_PASSWORD_FILE: /run/secrets/db-password-1
              LOCAL_URL: postgres://app:Zk81hVqTx0Lw@db:5432/app
        === app/settings.py
        import os
        PASSWORD = os.environ["PASSWORD"]
        TOKEN_URL = "https://login.example.org/oauth2/token"
        SECRET_NAME = "prod-database-password-2"
        API_KEY = "your-api-key-here-1234567890"
        MARK = "-----BEGIN PRIVATE KEY-----"
        token = getpass(session_1)
        ANALYTICS_API_KEY = "phc_k8Vq2LxZ7wRt4NcB9sYhJ3mDf6Gp1"
        === secrets/prod.yaml
        password: ENC[AES256_GCM,data:qT9kqL2zR8w1,iv:AAAAB3,tag:x,type:str]
        sops:
            version: 3.8.1
        === group_vars/all/vault.yml
        $ANSIBLE_VAULT;1.1;AES256
        62313365396662343061393464336163383764373764613633653634306231386433626436623361
    """),
    tree(f"""
        === tests/test_client.py
        TOKEN = "{_joined("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")}"
        === docs/setup.md
        export GITHUB_TOKEN={_joined("gh", "p_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")}
    """),
    tree(f"""
        === t/login.t
        my $key = '{_PRIVATE_KEY}';
        === k8s/secret.yaml
        apiVersion: v1
        kind: Secret
        metadata: {{name: store}}
        data:
          admin-password: c3RvcmUtcGFzczE=
        === examples/store.py
        KEY = "AKIAIOSFODNN7EXAMPLE"
        SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        === examples/run.sh
        export HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        === service.egg-info/PKG-INFO
        Metadata-Version: 2.1
        export SERVICE_API_KEY={_joined("Zq7_KaXFstRKI9hTdWM7", "DQq56GglRHf2HW7")}
    """),
]
