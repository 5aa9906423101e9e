"""What a workload's identity and a revision's name depend on, and what they do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.canonical import canonical, digest
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.release import Release, Revision, Workload, revise

from tests.support.deciders import Shape, revision, shapes, stored
from tests.support.examples import at_most

SERVICES: dict[str, dict[str, Any]] = {
    "page": {"needs": ["api"], "routes": ["/"], "replicas": 1},
    "api": {"needs": ["search", "database"], "secrets": ["KEY"], "env": {"LEVEL": "info"}},
    "search": {},
    "database": {"single": True},
    "mailer": {"worker": True, "needs": ["database"]},
}


def platform(**changes: Mapping[str, Any]) -> Platform:
    services = {
        name: {
            "source": name,
            "bundle": {"include": ["*"], "run": ["serve"], "prepare": ["make"]},
            **about,
            **changes.get(name, {}),
        }
        for name, about in SERVICES.items()
    }
    environments = {"local": {"edge": {"port": 8080}}, "production": {"edge": {"port": 8081}}}
    return Platform.model_validate({"platform": "shop", "services": services, "environments": environments})


def made(
    of: Platform,
    *,
    environment: str = "local",
    key: int = 1,
    overrides: Mapping[str, Mapping[str, str]] | None = None,
    **versions: int,
) -> Revision:
    artifacts = {name: digest([name, versions.get(name, 1)]) for name in of.services}
    release = Release(of.to_canonical(), artifacts)
    return revise(release, of, environment, secrets={"KEY": key}, overrides=overrides or {})


def moved(old: Revision, new: Revision) -> set[str]:
    """Services whose workload is another."""
    return {name for name in new.workloads if new.workloads[name].identity != old.workloads[name].identity}


PLAIN = made(platform())


@pytest.mark.parametrize(
    ("change", "services"),
    [
        ({"search": {"bundle": {"include": ["*"], "run": ["other"], "prepare": ["make"]}}}, {"search", "api", "page"}),
        ({"search": {"bundle": {"include": ["*"], "run": ["serve"], "prepare": ["x"]}}}, {"search", "api", "page"}),
        ({"search": {"bundle": {"static": {"root": "dist"}}}}, {"search", "api", "page"}),
        ({"search": {"env": {"A": "1"}}}, {"search", "api", "page"}),
        ({"search": {"resources": {"memory": "64Mi"}}}, {"search", "api", "page"}),
        ({"search": {"stop": {"grace": "1s"}}}, {"search", "api", "page"}),
        ({"search": {"stop": {"signal": "SIGINT"}}}, {"search", "api", "page"}),
        ({"search": {"needs": ["database"]}}, {"search", "api", "page"}),
        ({"mailer": {"worker": False}}, {"mailer"}),
        ({"database": {"single": False}}, {"database", "api", "page", "mailer"}),
        ({"database": {"env": {"A": "1"}}}, {"database"}),
        ({"page": {"routes": ["/", "/more"]}}, set()),
        ({"page": {"replicas": 3}}, set()),
        ({"search": {"health": {"path": "/other", "within": "1s"}}}, set()),
        ({"page": {"smoke": [{"get": "/"}]}}, set()),
        ({"search": {"source": "elsewhere", "build": ["make"]}}, set()),
    ],
)
def test_an_identity_is_moved_by_what_changes_how_a_workload_runs_and_by_nothing_else(change, services):
    assert moved(PLAIN, made(platform(**change))) == services


def test_a_new_artifact_moves_its_callers_too_but_not_those_of_a_single():
    assert moved(PLAIN, made(platform(), search=2)) == {"search", "api", "page"}
    assert moved(PLAIN, made(platform(), database=2)) == {"database"}
    assert moved(PLAIN, made(platform(), mailer=2)) == {"mailer"}


def test_a_secrets_version_and_an_override_are_part_of_the_identity_and_of_the_name():
    assert moved(PLAIN, made(platform(), key=2)) == {"api", "page"}
    assert moved(PLAIN, made(platform(), overrides={"api": {"LEVEL": "debug"}})) == {"api", "page"}
    names = {PLAIN.name, made(platform(), key=2).name, made(platform(), overrides={"api": {"LEVEL": "debug"}}).name}
    assert len(names) == 3 and {name.partition("+")[0] for name in names} == {PLAIN.release[:12]}


def test_no_two_environments_share_a_workload():
    other = made(platform(), environment="production")
    assert moved(PLAIN, other) == set(PLAIN.workloads) and other.release == PLAIN.release
    assert other.digest != PLAIN.digest


def test_the_name_of_a_release_without_secrets_and_overrides_is_the_releases_own():
    plain = made(platform(api={"secrets": []}))
    assert plain.plain and plain.name == plain.release[:12]
    empty = made(platform(api={"secrets": []}), overrides={"api": {}})
    assert (empty.name, empty.digest) == (plain.name, plain.digest), "an override of nothing is none"


def test_what_a_single_is_placed_under_is_its_one_address():
    assert PLAIN.workloads["database"].key == "single-database"
    assert PLAIN.workloads["api"].callees == {
        "search": PLAIN.workloads["search"].identity,
        "database": "single-database",
    }
    assert PLAIN.workloads["mailer"].calls(PLAIN.workloads["database"])
    assert not PLAIN.workloads["page"].calls(PLAIN.workloads["search"])
    assert not PLAIN.workloads["page"].calls(made(platform(), api=2).workloads["api"])


def test_a_public_path_is_answered_by_its_services_workload():
    assert PLAIN.table() == {"/": PLAIN.workloads["page"].identity}


def test_everything_that_is_missing_is_named_at_once():
    of = platform(search={"secrets": ["OTHER"]})
    release = Release(of.to_canonical(), {"page": "1"})
    for told, match in (
        ({"secrets": {"KEY": 1}, "overrides": {"nobody": {}, "noone": {}}}, "no service `nobody`, `noone`"),
        ({"secrets": {}, "overrides": {}}, "no bundle of `api`, `database`, `mailer`, `search`"),
    ):
        with pytest.raises(SophiaError, match=match):
            revise(release, of, "local", **told)
    whole = Release(of.to_canonical(), dict.fromkeys(of.services, "1"))
    with pytest.raises(SophiaError, match="`KEY`, `OTHER` not set in `local`"):
        revise(whole, of, "local", secrets={}, overrides={})


@given(shapes())
@at_most(30)
def test_a_revision_comes_back_from_its_text_as_it_was(shape: Shape):
    made = revision(shape)
    again = stored(made)
    assert again == made and (again.digest, again.name, again.table()) == (made.digest, made.name, made.table())
    assert canonical(again.to_data()) == canonical(made.to_data())
    for load in again.workloads.values():
        assert digest(load.identified()) == load.identity


@given(shapes())
@at_most(30)
def test_workloads_are_ordered_callees_first_and_always_the_same(shape: Shape):
    ordered = revision(shape).ordered()
    for index, load in enumerate(ordered):
        assert not any(load.calls(later) for later in ordered[index:])
    assert stored(revision(shape)).ordered() == ordered


@given(st.builds(dict, replicas=st.integers(1, 9), grace_ms=st.integers(0, 9), run=st.none() | st.just(("a", "b"))))
def test_a_workload_comes_back_from_its_text_as_it_was(changes):
    load = replace(PLAIN.workloads["api"], smoke=({"get": "/", "header": {"a": "b"}},), **changes)
    assert Workload.from_data(json.loads(canonical(load.to_data()))) == load


STORED = (
    '{"artifact":"aaaaaaaa","env":{},"environment":"local","grace_ms":10000,"health":{"consecutive":3,"every_ms":1000,'
    '"path":"/health","within_ms":30000},"identity":"i","kind":"worker","needs":{"database":null},"prepare":["make"],'
    '"replicas":1,"resources":{},"run":["serve"],"secrets":{},"service":"mailer","smoke":[],"static":null,'
    '"stop_signal":"SIGTERM"}'
)


def test_what_a_ledger_holds_reads_the_same_for_ever():
    """Change this only together with the `v` of what is hashed, and go on reading what older versions wrote."""
    health = {"path": "/health", "every_ms": 1000, "consecutive": 3, "within_ms": 30_000}
    load = replace(PLAIN.workloads["mailer"], identity="i", artifact="a" * 8, health=health)
    assert Workload.from_data(json.loads(STORED)) == load and canonical(load.to_data()) == STORED
    assert digest(load.identified()) == "f7e9f098d932eec8202005a461ce7aa0b619220b9d707dac4d69a519a4db2caa"
    release = Release({"v": 1, "platform": "shop"}, {"api": "b" * 64})
    assert release.digest == "653e7429e2a25b910d07977903a0d7a4da8a654e7ac03a986988554afed4f7a1"
    whole = Revision("local", "c" * 64, {"api": {"A": "1"}}, {"mailer": load}, {}, {})
    assert whole.digest == "a2d4877c5174c0431abb12756e66dad6f4ba47db66a71a6b17a213254fa4b959"
