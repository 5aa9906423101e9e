"""Kubernetes and tools of infrastructure: the manifests, charts, playbooks and configurations they are given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sophia_preflight.calls.model import (
    Needed,
    Program,
    System,
)
from sophia_preflight.calls.options import part
from sophia_preflight.calls.running import URL, Reader, Run
from sophia_preflight.text import UNKNOWN, Word, joined, named

_KUBECTL = named(
    "-f --filename -k --kustomize -n --namespace --context --kubeconfig -o --output -l --selector --timeout --for "
    "--dry-run --server --token --cluster --user -c --container --from-literal --from-file --from-env-file "
    "--image --replicas --grace-period -p --patch --type --field-manager --tail --since --validate"
)


def _is_remote(path: str) -> bool:
    """Whether a kustomization is one of another repository, with or without its scheme."""
    return (
        URL.match(path) is not None
        or re.search(r"^[\w-]+(\.[\w-]+)*\.(com|org|io|net|dev)/|//|\?ref=", path) is not None
    )


def _kubectl(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], _KUBECTL)
    verb = parted.operands[0].value if parted.operands else ""
    if verb in ("apply", "create", "replace", "diff"):
        for word in parted.all("-f", "--filename"):
            for piece in word.value.split(","):
                if piece != "-" and not URL.match(piece):
                    needed = Needed(replace(word, value=piece), "the manifest that kubectl applies")
                    run.call(needed, words)
        for word in parted.all("-k", "--kustomize"):
            if not _is_remote(word.value):
                run.call(Needed(word, "the kustomization that kubectl applies", directory=True), words)
        for word in parted.all("--from-file", "--from-env-file"):
            run.call(Needed(replace(word, value=word.value.rpartition("=")[2]), "what kubectl reads"), words)
    elif verb in ("exec", "run", "debug") and any(word.value == "--" for word in words):
        inner = words[[word.value for word in words].index("--") + 1 :]
        run.at(system=System.UNKNOWN, directory=UNKNOWN).deeper().command(inner)
    else:
        run.call(Program(words[0], tuple(words[1:])), words)


def _helm(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named(
            "-f --values --set --set-string --set-file -n --namespace --version --timeout --kube-context --repo "
            "--kubeconfig --history-max --description --post-renderer --set-json --set-literal --output -o "
            "--output-dir -s --show-only -a --api-versions --kube-version --name-template --username --password"
        ),
    )
    verb = parted.operands[0].value if parted.operands else ""
    operands = parted.operands[1:]
    if verb in ("dependency", "dep") and operands and operands[0].value in ("update", "up", "build", "list"):
        verb, operands = "package", operands[1:]
    if verb not in ("install", "upgrade", "template", "lint", "package"):
        return
    for word in parted.all("-f", "--values"):
        if not URL.match(word.value):
            run.call(Needed(word, "the values that helm reads"), words)
    for word in operands:
        ours = word.value.startswith(("./", "../")) or (verb in ("lint", "package") and "/" in word.value)
        if word.known and not URL.match(word.value) and not word.value.endswith(".tgz") and (ours or "/" in word.value):
            # what has no `./` may be a chart of some repository
            run.call(Needed(word, "the chart that helm is told", directory=True, mentioned=not ours), words)


def _kustomize(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], frozenset(("-o", "--output", "--load-restrictor", "--env")))
    if len(parted.operands) > 1 and parted.operands[0].value == "build" and not _is_remote(parted.operands[1].value):
        run.call(Needed(parted.operands[1], "the kustomization that is built", directory=True), words)


def _terraform(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:])
    base = parted.first("-chdir")
    if base is not None:
        run.call(Needed(base, "the directory that terraform works in", directory=True), words)
        run = run.at(directory=joined(run.site.directory, base.value))
    for word in parted.all("-var-file", "--var-file"):
        run.call(Needed(word, "the variables that terraform reads"), words)


def _ansible(words: Sequence[Word], run: Run) -> None:
    parted = part(
        words[1:],
        named(
            "-i --inventory -e --extra-vars -l --limit -t --tags -u --user --private-key --key-file "
            "--vault-password-file --skip-tags -f --forks -c --connection"
        ),
    )  # fmt: skip
    for word in parted.operands:
        run.call(Needed(word, "the playbook that ansible runs"), words)
    for word in parted.all("-i", "--inventory"):
        if "," not in word.value and not word.value.endswith("/"):
            run.call(Needed(word, "the inventory that ansible reads"), words)


def _pulumi(words: Sequence[Word], run: Run) -> None:
    base = part(words[1:], frozenset(("-C", "--cwd", "-s", "--stack"))).first("-C", "--cwd")
    if base is not None:
        run.call(Needed(base, "the project that pulumi runs", directory=True), words)


def _supervisord(words: Sequence[Word], run: Run) -> None:
    if config := part(words[1:], frozenset(("-c", "--configuration"))).first("-c", "--configuration"):
        run.call(Needed(config, "the configuration of supervisord"), words)


READERS: dict[str, Reader] = {
    **dict.fromkeys(("kubectl", "oc"), _kubectl),
    **dict.fromkeys(("terraform", "tofu"), _terraform),
    "helm": _helm,
    "kustomize": _kustomize,
    "ansible-playbook": _ansible,
    "pulumi": _pulumi,
    "supervisord": _supervisord,
}
