import copy
import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml
from sophia_deployment_core.reference import reference_markdown, schema

GOOD = yaml.safe_load("""
platform: shop
services:
  api:
    source: api
    build: [make, all]
    bundle: {include: [dist], prepare: [./prepare], run: [./api]}
    routes: [/api]
    health: {every: 1s, consecutive: 3, within: 30s}
    smoke: [{get: /version, status: 200, header: {server: api}}, {run: [./check]}]
    env: {A: 1, B: true, C: text}
    resources: {cpu: 0.5, memory: 512Mi}
    stop: {signal: SIGINT, grace: 5s}
  web: {source: web, build: [[npm, ci], [npm, run, build]], bundle: {static: {root: dist, spa: true}}, routes: [/]}
environments:
  local:
    edge: {port: 8080}
    strategy: {blue_green: {watch: 15s, warm: 1m, quiet: hold, thresholds: {errors: 1%}}}
    services: {api: {replicas: 2}}
retention: {releases: 3, age: 7d}
""")


def validator():
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_the_schema_takes_a_good_file():
    assert list(validator().iter_errors(GOOD)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("services", "api", "image"), {}),
        (("environments", "local", "approvals"), {}),
        (("services", "api", "unknown"), 1),
        (("services", "api", "replicas"), "2"),
        (("services", "api", "health", "every"), "5"),
        (("services", "Bad Name"), {"source": "x", "bundle": {}}),
        (("environments", "local", "edge", "port"), 0),
        (("services", "api", "bundle", "run"), "./api"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(path, value):
    bad = copy.deepcopy(GOOD)
    around = bad
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = value
    assert list(validator().iter_errors(bad))


def _fields():
    shapes = schema()["$defs"]
    for shape in [schema(), *shapes.values()]:
        for key, described in shape["properties"].items():
            yield key, shapes.get(described.get("$ref", "").removeprefix("#/$defs/"), {}) | described


def test_every_key_is_described():
    assert [key for key, described in _fields() if not described.get("description")] == []


def test_a_key_that_is_not_available_yet_says_so():
    image = schema()["$defs"]["Service"]["properties"]["image"]
    assert image["not"] == {}
    assert image["description"].startswith("Not yet: ")


def test_the_reference_page_names_every_key_with_its_default():
    page = reference_markdown()
    assert all(f"| `{key}` |" in page for key, _ in _fields())
    assert "| `watch` | `5m` |" in page
    assert "| `errors` | `1%` |" in page
    assert "| `latency_floor` | `50ms` |" in page
    assert "| `image` | *not yet* |" in page
    assert "## `environments.NAME.services.NAME`" in page


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("sophia-yaml.md", reference_markdown()),
        ("sophia-yaml.schema.json", json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"),
    ],
)
def test_the_generated_pages_are_what_the_models_say(name, made):
    page = Path(__file__).parents[3] / "docs" / "reference" / name
    if os.environ.get("SOPHIA_WRITE_REFERENCE"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made, "write it again: SOPHIA_WRITE_REFERENCE=1 pytest " + __file__
