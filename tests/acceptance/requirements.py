"""The promises of Sophia: what an acceptance test has to show, each under its id.

A test says which it shows: `@pytest.mark.promise("blue-green")`. `tests/test_promises.py` fails on a promise with
neither a test nor a reason why not yet, on a test with an unknown id, and on a reason that outlived its excuse.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    id: str
    text: str
    least: str
    """The least that keeps it; the goal is beyond."""

    deferred: str = ""
    """Why no test shows it yet; empty once one does."""


NO_CONFIGS = "apps/ and libs/ are as drawn; configs/ comes with the first setting that two tools share"
NO_STAND_INS = "nothing is shown against a stand-in yet; it comes with the first cloud that is"
NO_PULUMI = "there are no Pulumi stacks yet"
NO_IMAGES = "services are bundles on this runtime; images come with the runtimes that need them"
ONE_RUNTIME = "the only runtime so far is `local`"
NO_DASHBOARDS = "there are no dashboards and traces yet"
NO_OBJECTIVES = "objectives are not measured yet"
NO_SCANS = "there is no scanning yet"

PROMISES = (
    # Deploying at all
    Promise(
        "validate-arguments",
        'a call that passes an argument its callee does not accept is found before anything runs ("unrecognized arguments: --target platform")',
        least="found, with file and line",
    ),
    Promise(
        "validate-compose",
        'an invalid compose or stack file is found ("services.mcp-gateway.build must be a string")',
        least="found, every error of the file, not only the first",
    ),
    Promise(
        "validate-scripts",
        "a script, module or path that a workflow, script, Dockerfile or compose file calls, and that does not exist, is found",
        least="found",
    ),
    Promise(
        "validate-docker",
        "Dockerfiles and build contexts are checked: sources exist, the started module exists, health check can work",
        least="found",
    ),
    Promise(
        "validate-workflows",
        "CI workflows that do not parse, reference what is missing, or can never run are found",
        least="found",
    ),
    Promise(
        "pipeline-gate",
        "deployment never starts while validation fails",
        least="always",
    ),
    Promise(
        "health-verified",
        "a deployment ends only after every service answered its health probe, with retries",
        least="always",
    ),
    Promise(
        "deployment-report",
        "every run leaves a report a manager and an engineer can read",
        least="always",
    ),
    Promise(
        "post-deployment-tests",
        "smoke tests run after the deployment and count",
        least="always",
    ),
    Promise(
        "progress-live",
        "progress is visible while it happens (terminal, page, API)",
        least="< 1 s behind",
    ),
    Promise(
        "logs-correlated",
        "every log line, event, span and header of a run carries one correlation id",
        least="always",
    ),
    Promise(
        "rollback-automatic",
        "a bad deployment goes back by itself",
        least="< 2 min",
    ),
    Promise(
        "deploy-success",
        "deployments end live or back where they were, without a person",
        least="100 %, < 15 min",
    ),
    # Foundations
    Promise(
        "monorepo-layout",
        "apps/ libs/ configs/ as drawn",
        least="here",
        deferred=NO_CONFIGS,
    ),
    Promise(
        "monorepo-migration",
        "an existing repository is moved to that layout by a tool that proves nothing broke",
        least="Sophia's own legacy repository",
        deferred="there is no migration tool yet",
    ),
    Promise(
        "build-incremental",
        "Turborepo builds what changed, in parallel, from cache",
        least="< 5 min; full cache < 1 s",
    ),
    Promise(
        "build-one-tool",
        "one command builds, tests and deploys every component, Python and JavaScript",
        least="always",
    ),
    Promise(
        "build-graph",
        "`deploy` depends on `build` and `test`, and is never answered from cache",
        least="always",
    ),
    Promise(
        "foreign-repository",
        "everything works for a repository that is not this one and has no Turborepo: init, up, deploy, break, rollback",
        least="Python, Node, static, worker",
    ),
    Promise(
        "script-duplication",
        "one tool replaces the deployment scripts",
        least="90 % fewer lines than before",
        deferred="there is no migration tool yet, so nothing to count against",
    ),
    Promise(
        "pulumi-stacks",
        "dev, staging and prod stacks",
        least="real Pulumi engine",
        deferred=NO_PULUMI,
    ),
    Promise(
        "pulumi-modules",
        "reusable kubernetes, monitoring and networking modules, the same for every environment",
        least="real Pulumi engine",
        deferred=NO_PULUMI,
    ),
    Promise(
        "pulumi-policies",
        "cost-optimization and security-compliance policies stop a bad change",
        least="real Pulumi engine",
        deferred=NO_PULUMI,
    ),
    Promise(
        "drift-daily",
        "drift is looked for every day at 06:00, by refresh, without changing anything",
        least="scheduled, durable",
        deferred="drift is not looked for yet",
    ),
    Promise(
        "drift-report",
        "what drifted, since when, by whom where known, how bad; alert and report",
        least="always",
        deferred="drift is not looked for yet",
    ),
    # Enterprise pipeline
    Promise(
        "pipeline-stages",
        "validate-and-test, build-and-package, deploy-staging, deploy-production, as one definition that runs the same on a laptop and in GitHub Actions",
        least="always",
        deferred="the pipeline of four stages is not defined yet",
    ),
    Promise(
        "tests-all-kinds",
        "unit, integration, end-to-end in a real browser",
        least="in CI",
    ),
    Promise(
        "images-multistage",
        "multi-stage images, non-root, health-checked, small",
        least="every app",
        deferred=NO_IMAGES,
    ),
    Promise(
        "images-scanned",
        "images and dependencies are scanned before they are stored",
        least="always",
        deferred=NO_IMAGES,
    ),
    Promise(
        "artifacts-stored",
        "artifacts are content-addressed, kept, retrievable, pruned by rule",
        least="always",
    ),
    Promise(
        "staging-automatic",
        "staging deploys by itself; smoke tests and performance benchmarks run there",
        least="always",
        deferred="staging does not deploy by itself yet",
    ),
    Promise(
        "approval-gate",
        "production waits for approvers: who, how many at least, not the author, bound to the exact plan, expiring; no CI runner is held meanwhile",
        least="always",
        deferred="there are no approvals yet",
    ),
    Promise(
        "golden-rule",
        "production is deployed only from the main branch by CI; a laptop cannot",
        least="always",
        deferred="there is no rule about where a deployment may come from yet",
    ),
    Promise(
        "blue-green",
        "two colors, one switch, no request lost",
        least="0 lost",
    ),
    Promise(
        "orchestrator-swarm",
        "Swarm with health checks, limits and reservations, hardened containers",
        least="real Swarm",
        deferred=ONE_RUNTIME,
    ),
    Promise(
        "orchestrator-kubernetes",
        "the same platform on Kubernetes",
        least="real Kubernetes",
        deferred=ONE_RUNTIME,
    ),
    Promise(
        "orchestrator-decision",
        "stay on Swarm or move: decided from measured criteria, with reasons",
        least="report",
        deferred=ONE_RUNTIME,
    ),
    # Seeing
    Promise(
        "dashboard-executive",
        "business KPIs, service availability, cost",
        least="provisioned, every panel has data",
        deferred=NO_DASHBOARDS,
    ),
    Promise(
        "dashboard-application",
        "chat response time, MCP tool success, AI memory hit rate",
        least="same",
        deferred=NO_DASHBOARDS,
    ),
    Promise(
        "dashboard-infrastructure",
        "GPU hosts, containers, network",
        least="same",
        deferred=NO_DASHBOARDS,
    ),
    Promise(
        "dashboard-warehouse",
        "query performance, warehouse use, credits, data freshness (Snowflake)",
        least="same",
        deferred=NO_DASHBOARDS,
    ),
    Promise(
        "tracing-end-to-end",
        "one trace from the browser through chat, gateway and MCP tool, into the deployment that shipped it",
        least="always",
        deferred=NO_DASHBOARDS,
    ),
    Promise(
        "slo-defined",
        "availability 99.9 % over 30 days; chat p95 200 ms, p99 500 ms; MCP p95 100 ms, p99 300 ms; API 99.5 %, MCP 95 %, AI memory recall 98 %",
        least="measured, budgets shown",
        deferred=NO_OBJECTIVES,
    ),
    Promise(
        "slo-alerts",
        "multi-window burn-rate alerts",
        least="correct on zero and low traffic",
        deferred=NO_OBJECTIVES,
    ),
    Promise(
        "alert-fatigue",
        "false pages under 5 %, honestly counted",
        least="with confidence interval",
        deferred=NO_OBJECTIVES,
    ),
    # Security and compliance
    Promise(
        "scan-code",
        "static analysis (bandit, semgrep; CodeQL results accepted) fails on high and critical",
        least="always",
        deferred=NO_SCANS,
    ),
    Promise(
        "scan-dependencies",
        "known vulnerabilities from medium up stop the release",
        least="always",
        deferred=NO_SCANS,
    ),
    Promise(
        "scan-dynamic",
        "a passive dynamic scan (DAST) looks at the candidate through its private listener before users see it, and at staging",
        least="always",
        deferred=NO_SCANS,
    ),
    Promise(
        "scan-images",
        "no high vulnerability in an image",
        least="always",
        deferred=NO_SCANS,
    ),
    Promise(
        "scan-infrastructure",
        "checkov and own Swarm/Compose checks, CIS and NIST controls",
        least="always",
        deferred=NO_SCANS,
    ),
    Promise(
        "scan-complete",
        "a scanner that is missing, broken or stale never counts as clean",
        least="always",
        deferred=NO_SCANS,
    ),
    Promise(
        "secrets-rotated",
        "database credentials 90 days, API keys 30, certificates 365, rotated by themselves through Pulumi ESC or a local store, without a failed request",
        least="0 failed",
        deferred="secrets are stored but not rotated yet",
    ),
    Promise(
        "compliance-evidence",
        "each control shows pass, fail or not assessed, and opens to signed evidence",
        least="always",
        deferred="there are no compliance controls yet",
    ),
    Promise(
        "zero-trust",
        "every call is authenticated and authorised, short-lived, least privilege; what is deployed is verified by its signature",
        least="always",
        deferred="identity, roles and signatures are not built yet",
    ),
    Promise(
        "audit-trail",
        "who did what, when, why, from where; nobody can change it unseen",
        least="verifiable offline",
    ),
    Promise(
        "users-1000",
        "1,000 people at once: objectives hold under that load, in a load test that ships with the product",
        least="objectives met",
        deferred="the load test that ships with the product is not written yet",
    ),
    Promise(
        "fewer-failures",
        "failed deployments and time to recovery, against a named baseline (the same fleet deployed the old way), from the ledger",
        least="90 % fewer, 60 % faster",
        deferred="there is no baseline to compare with yet",
    ),
    Promise(
        "real-or-said",
        "what was proven against a stand-in and not against the real service (Pulumi Cloud, Snowflake, GitHub, GPU hosts) says so in docs and reports",
        least="always",
        deferred=NO_STAND_INS,
    ),
    Promise(
        "success-metrics",
        "the roadmap's own success criteria are computed from the ledger and shown",
        least="always",
        deferred="the figures are not computed from the ledger yet",
    ),
)
