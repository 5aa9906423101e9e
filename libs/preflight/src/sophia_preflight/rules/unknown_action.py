"""Actions whose name is nearly that of a well-known one, and whose repository is therefore none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.spelling import is_slip
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="unknown-action",
    title="a workflow uses an action by a name that is nearly that of a well-known one",
    severity=Severity.HIGH,
    why="the job fails before its first step: there is no such repository",
    fix="correct the name",
    family="workflows",
)
_OF_GITHUB = named(
    "checkout setup-python setup-node setup-java setup-go setup-dotnet setup-ruby setup-haskell setup-elixir cache "
    "upload-artifact download-artifact github-script labeler stale first-interaction create-release attest attest-sbom "
    "upload-release-asset deploy-pages upload-pages-artifact configure-pages jekyll-build-pages add-to-project "
    "dependency-review-action attest-build-provenance delete-package-versions create-github-app-token publish-action "
    "go-dependency-submission ai-inference"
)
_OF_DOCKER = named(
    "build-push-action login-action setup-buildx-action setup-qemu-action metadata-action bake-action scout-action "
    "setup-docker-action setup-compose-action github-builder"
)
_OF_OTHERS = named(
    "astral-sh/setup-uv astral-sh/ruff-action pypa/gh-action-pypi-publish pypa/cibuildwheel codecov/codecov-action "
    "softprops/action-gh-release ncipollo/release-action peter-evans/create-pull-request dorny/paths-filter "
    "pre-commit/action snok/install-poetry pnpm/action-setup oven-sh/setup-bun denoland/setup-deno ruby/setup-ruby "
    "dtolnay/rust-toolchain swatinem/rust-cache golangci/golangci-lint-action goreleaser/goreleaser-action "
    "hadolint/hadolint-action aquasecurity/trivy-action azure/setup-helm azure/setup-kubectl azure/login "
    "azure/k8s-deploy helm/kind-action helm/chart-testing-action helm/chart-releaser-action hashicorp/setup-terraform "
    "aws-actions/configure-aws-credentials aws-actions/amazon-ecr-login google-github-actions/auth "
    "google-github-actions/setup-gcloud github/codeql-action sigstore/cosign-installer anchore/sbom-action "
    "ossf/scorecard-action coverallsapp/github-action jamesives/github-pages-deploy-action peaceiris/actions-gh-pages "
    "conda-incubator/setup-miniconda mamba-org/setup-micromamba release-drafter/release-drafter prefix-dev/setup-pixi "
    "pdm-project/setup-pdm appleboy/ssh-action tj-actions/changed-files stefanzweifel/git-auto-commit-action"
)
_KNOWN = frozenset(
    {*(f"actions/{each}" for each in _OF_GITHUB), *(f"docker/{each}" for each in _OF_DOCKER), *_OF_OTHERS}
)
_ALIKE = 0.8


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            for step in job.steps:
                name = "/".join(step.uses.text.partition("@")[0].lower().split("/")[:2])
                near = _near(name) if "@" in step.uses.text and name.count("/") == 1 else ""
                if near:
                    owner = workflow.name if workflow.action else f"{workflow.name} / {job.name}"
                    severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=owner))
                    yield RULE.found(
                        f"there is no action `{name}`",
                        step.uses.place(path),
                        anchor=f"{job.name} {name}",
                        severity=severity,
                        confidence=Confidence.LIKELY,
                        fix=f"{RULE.fix}: `{near}`",
                        blocks=blocks,
                    )


def _near(name: str) -> str:
    """The well-known action that is meant by a name which is none: of those of GitHub and Docker, which are all known
    here, any near one, of others one that a slip of a key makes."""
    if name in _KNOWN:
        return ""
    owner = name.partition("/")[0]
    own = [each for each in sorted(_KNOWN) if each.startswith(f"{owner}/")] if owner in ("actions", "docker") else []
    near = get_close_matches(name, own, n=1, cutoff=_ALIKE) or [each for each in _KNOWN if is_slip(name, each)]
    return near[0] if len(near) == 1 else ""


_WORKFLOW = """
    === .github/workflows/ci.yml
    on: push
    jobs:
      go:
        runs-on: ubuntu-24.04
        steps:
          - uses: {0}
"""
BAD = [
    tree(_WORKFLOW.replace("{0}", "actions/chekout@v4")),
    tree(_WORKFLOW.replace("{0}", "docker/setup-buildx@v3")),
    tree(_WORKFLOW.replace("{0}", "astral-sh/setup-uvx@v6")),
]
GOOD = [
    tree(_WORKFLOW.replace("{0}", "actions/checkout@v4")),
    tree(_WORKFLOW.replace("{0}", "actions/cache/restore@v4")),
    tree(_WORKFLOW.replace("{0}", "actions/new-thing@v1")),
    tree(_WORKFLOW.replace("{0}", "Docker/Build-Push-Action@v6")),
    tree(_WORKFLOW.replace("{0}", "example/setup-uv@v1")),
]
