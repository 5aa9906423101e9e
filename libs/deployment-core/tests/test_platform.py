import json
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.platform import (
    Bundle,
    Edge,
    Environment,
    Override,
    Platform,
    Resources,
    Service,
    Static,
    filled_in,
    overridden,
    url_variable,
)


def service(**more):
    return Service(source=".", bundle=Bundle(include=("x",), run=("x",)), **more)


def platform(services, environments=None):
    return Platform(
        platform="shop", services=services, environments=environments or {"local": Environment(edge=Edge(port=8080))}
    )


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
variables = st.dictionaries(
    st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True),
    st.text(st.characters(codec="ascii", exclude_characters="\0")),
)
resources = st.builds(
    Resources,
    cpu_millicores=st.none() | st.integers(1, 64_000),
    memory_bytes=st.none() | st.integers(2**20, 2**40),
)
overrides = st.builds(Override, env=variables, replicas=st.none() | st.integers(1, 9), resources=resources)
services = st.builds(
    service,
    env=variables,
    replicas=st.integers(1, 9),
    resources=resources,
    routes=st.lists(st.sampled_from(["/", "/a", "/b"]), unique=True).map(tuple),
    build=st.sampled_from([(), (("make",),), (("make", "all"), ("true",))]),
    worker=st.booleans(),
)
environments = st.builds(
    Environment, edge=st.builds(Edge, port=st.integers(1, 65535)), services=st.dictionaries(names, overrides)
)
platforms = st.builds(
    Platform,
    platform=names,
    services=st.dictionaries(names, services, min_size=1, max_size=4),
    environments=st.dictionaries(names, environments, min_size=1, max_size=4),
)


@given(platforms)
def test_the_canonical_form_reads_back_to_the_same_platform(wanted):
    stored = canonical(wanted.to_canonical())
    found = Platform.from_canonical(json.loads(stored))
    assert found == wanted
    assert list(found.environments) == list(wanted.environments)
    assert canonical(found.to_canonical()) == stored


def test_a_platform_stored_by_the_first_version_is_still_read():
    stored = (
        '{"environments":[{"edge":{"port":8081},"name":"staging","runtime":"local","services":{"api":{"env":{},"replicas":2}},'
        '"strategy":{"blue_green":{"quiet":"hold","watch_ms":1000}}},{"edge":{"port":8080},"name":"local"}],"platform":"shop",'
        '"services":{"api":{"build":[["make"]],"bundle":{"include":["dist"],"run":["./api"]},"health":{"every_ms":200},'
        '"resources":{"memory_bytes":1048576},"smoke":[{"get":"/version","status":200}],"source":"api"}},"v":1}'
    )
    found = Platform.from_canonical(json.loads(stored))
    assert found.default_environment == "staging"
    assert found.environments["staging"].strategy.blue_green.watch_ms == 1000
    assert found.service_in("staging", "api").replicas == 2
    assert found.services["api"].health.every_ms == 200


def test_a_platform_stored_by_a_newer_version_is_refused():
    with pytest.raises(ValueError, match="newer"):
        Platform.from_canonical({**platform({"a": service()}).to_canonical(), "v": 2})


def test_the_order_of_environments_is_part_of_the_canonical_form():
    places = {name: Environment(edge=Edge(port=port)) for name, port in [("one", 1), ("two", 2)]}
    there = platform({"a": service()}, places)
    back = platform({"a": service()}, dict(reversed(places.items())))
    assert canonical(there.to_canonical()) != canonical(back.to_canonical())


@given(services, overrides)
def test_an_override_applied_again_changes_nothing(base, override):
    once = overridden(base, override)
    assert overridden(once, override) == once


def test_an_environment_overrides_what_it_names_and_nothing_else():
    override = Override(env={"A": "2", "C": "3"}, replicas=4, resources=Resources(cpu_millicores=500))
    there = Environment(edge=Edge(port=1), services={"api": override})
    base = service(env={"A": "1", "B": "1"}, resources=Resources(cpu_millicores=100, memory_bytes=2**20))
    wanted = platform({"api": base, "web": service()}, {"there": there, "plain": Environment(edge=Edge(port=2))})
    found = wanted.service_in("there", "api")
    assert found.env == {"A": "2", "B": "1", "C": "3"}
    assert found.replicas == 4
    assert found.resources == Resources(cpu_millicores=500, memory_bytes=2**20)
    assert wanted.service_in("plain", "api") == base
    assert wanted.service_in("there", "web") == wanted.services["web"]


def test_services_come_after_what_they_need_and_always_in_the_same_order():
    needs = {"front": ("orders", "prices"), "prices": ("stock",), "orders": ("stock",), "stock": (), "ticker": ()}
    layers = (("stock", "ticker"), ("orders", "prices"), ("front",))
    for order in (list(needs), sorted(needs), sorted(needs, reverse=True)):
        wanted = platform({name: service(needs=needs[name]) for name in order})
        assert wanted.layers() == layers
        assert list(wanted.services_in("local")) == list(wanted.order()) == [name for layer in layers for name in layer]


def test_services_that_need_each_other_have_no_order():
    with pytest.raises(CycleError):
        platform({"a": service(needs=("b",)), "b": service(needs=("a",))}).order()


def test_a_value_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        service().replicas = 2


def test_the_kind_of_a_service_follows_from_its_flags():
    assert [service(**flags).kind for flags in ({}, {"worker": True}, {"single": True})] == [
        "service",
        "worker",
        "single",
    ]


def test_the_address_of_a_service_comes_in_a_variable_named_after_it():
    assert url_variable("ai-memory") == "AI_MEMORY_URL"


def test_a_static_site_ships_its_root_unless_told_otherwise():
    assert Bundle(static=Static(root="dist")).shipped == ("dist",)
    assert Bundle(static=Static(root="dist"), include=("dist", "extra")).shipped == ("dist", "extra")
    assert Bundle(include=("a",), run=("b",)).shipped == ("a",)


def test_variables_are_filled_into_a_command_and_unknown_ones_are_left_to_a_shell():
    command = ["serve", "--port=$PORT", "${DATA_DIR}/x", "$HOME", "$$PORT", "5$", "$PORTS"]
    expected = ("serve", "--port=8000", "/d/x", "$HOME", "$PORT", "5$", "$PORTS")
    assert filled_in(command, {"PORT": "8000", "DATA_DIR": "/d"}) == expected


@given(st.lists(st.text()), st.dictionaries(st.sampled_from(["PORT", "A"]), st.text()))
def test_filling_in_keeps_the_number_of_words(command, given_variables):
    assert len(filled_in(command, given_variables)) == len(command)


def test_the_canonical_form_of_a_part_has_units_in_its_names_and_leaves_out_what_is_not_given():
    assert service().stop.to_canonical() == {"signal": "SIGTERM", "grace_ms": 10_000}
    assert service().resources.to_canonical() == {}
    assert service().health.to_canonical() == {
        "path": "/health",
        "every_ms": 250,
        "consecutive": 3,
        "within_ms": 30_000,
    }
