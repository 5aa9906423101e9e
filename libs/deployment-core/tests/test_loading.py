import time
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core import loading
from sophia_deployment_core.errors import SophiaError

GOOD = """\
platform: shop
services:
  api:
    source: api
    bundle: {include: [dist/*.whl], run: [./api]}
    routes: [/api]
    needs: [store]
  web: {source: web, bundle: {static: {root: dist, spa: true}}, routes: [/]}
  store: {source: store, single: true, bundle: {include: [store], run: [./store]}}
  mailer: {source: mailer, worker: true, needs: [store], bundle: {include: [mailer], run: [./mailer]}}
environments:
  local: {edge: {port: 8080}}
  production:
    runtime: local
    edge: {port: 8082}
    services: {api: {replicas: 4}}
"""


def said(text):
    return [(problem.line, problem.column, problem.path, problem.message) for problem in loading.problems(text)]


def one(text):
    found = loading.problems(text)
    assert len(found) == 1, found
    return found[0]


def api(line):
    """The good file with one more line in `api`, which is line 8."""
    lines = GOOD.splitlines()
    return "\n".join([*lines[:7], f"    {line}", *lines[7:]]) + "\n"


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "sophia.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_good_file_is_a_platform(file):
    platform = loading.load(file(GOOD))
    assert list(platform.environments) == ["local", "production"]
    assert platform.service_in("production", "api").replicas == 4
    assert platform.order() == ("store", "web", "api", "mailer")
    assert loading.problems(GOOD) == []


def test_the_words_of_the_file_become_integers(file):
    text = api("health: {every: 200ms, consecutive: 2, of: 3, within: 1m}")
    text = text.replace("replicas: 4", "replicas: 4, resources: {cpu: 0.5, memory: 512Mi}")
    text += "    strategy: {blue_green: {watch: 15s, warm: 1h,\n"
    text += "      thresholds: {errors: 0.5%, latency_factor: 150%, latency_floor: 80ms}}}\n"
    text += "retention: {releases: 3, age: 7d}\n"
    platform = loading.load(file(text))
    health = platform.services["api"].health
    assert (health.every_ms, health.consecutive, health.of, health.within_ms) == (200, 2, 3, 60_000)
    resources = platform.service_in("production", "api").resources
    assert resources.to_canonical() == {"cpu_millicores": 500, "memory_bytes": 2**29}
    rollout = platform.environments["production"].strategy.blue_green
    assert (rollout.watch_ms, rollout.warm_ms) == (15_000, 3_600_000)
    assert tuple(rollout.thresholds.to_canonical().values()) == (5, 150, 80_000)
    assert (platform.retention.releases, platform.retention.age_ms) == (3, 604_800_000)


def test_env_values_are_passed_as_they_are_written(file):
    text = api("env: {A: 1.10, B: true, C: no, D: 012, E: '', F: 0x1f}")
    env = loading.load(file(text)).services["api"].env
    assert env == {"A": "1.10", "B": "true", "C": "no", "D": "012", "E": "", "F": "0x1f"}


def test_build_is_one_command_or_a_list_of_commands(file):
    assert loading.load(file(api("build: [npm, run, build]"))).services["api"].build == (("npm", "run", "build"),)
    several = loading.load(file(api("build: [[npm, ci], [npm, test]]"))).services["api"].build
    assert several == (("npm", "ci"), ("npm", "test"))


def test_a_route_may_end_with_a_slash(file):
    assert loading.load(file(GOOD.replace("routes: [/api]", "routes: [/api/]"))).services["api"].routes == ("/api",)


def test_all_problems_are_shown_at_once_in_the_order_of_the_file(file):
    text = """\
platform: My Shop
services:
  api:
    source: api
    bundle: {include: [x], run: serve it}
    need: [store]
    needs: [stoer]
    replicas: "2"
  store: {source: store, bundle: {include: [x], run: [x]}, port: 80}
environments:
  local: {runtime: swarm, edge: {port: 8080}}
  other: {edge: {port: 8080}}
"""
    with pytest.raises(SophiaError) as caught:
        loading.load(file(text))
    expected = """\
sophia.yaml:1:11: platform: `My Shop` is not a name: lower case letters, digits and `-`, starting with a letter, \
at most 40
    1 | platform: My Shop
      |           ^
sophia.yaml:5:33: services.api.bundle.run: a command is a list of words
    5 |     bundle: {include: [x], run: serve it}
      |                                 ^
   hint: write `[serve, it]`
sophia.yaml:6:5: services.api.need: unknown key
    6 |     need: [store]
      |     ^
   hint: did you mean `needs`?
sophia.yaml:7:13: services.api.needs[0]: there is no service `stoer`
    7 |     needs: [stoer]
      |             ^
   hint: did you mean `store`?
sophia.yaml:8:15: services.api.replicas: must be a whole number, not the text `2`
    8 |     replicas: "2"
      |               ^
sophia.yaml:9:60: services.store.port: not yet: images have ports and come with the runtimes `swarm` and \
`kubernetes`; on `local`, listen on `$PORT`
    9 |   store: {source: store, bundle: {include: [x], run: [x]}, port: 80}
      |                                                            ^
   hint: remove it for now
sophia.yaml:11:20: environments.local.runtime: not yet: the runtime `swarm` is not built so far
   11 |   local: {runtime: swarm, edge: {port: 8080}}
      |                    ^
   hint: the only runtime so far is `local`
sophia.yaml:12:24: environments.other.edge.port: port 8080 is the edge of `local` already
   12 |   other: {edge: {port: 8080}}
      |                        ^
   hint: choose another port"""
    assert caught.value.message == expected
    assert caught.value.code.exit == 2
    assert [problem["line"] for problem in caught.value.facts["problems"]] == [1, 5, 6, 7, 8, 9, 11, 12]


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("image: {dockerfile: Dockerfile}", "services.api.image", "not yet"),
        ("port: 8000", "services.api.port", "not yet"),
        ("migrate: {expand: {run: [x]}}", "services.api.migrate", "not yet"),
        ("objectives: [fast]", "services.api.objectives", "not yet"),
        ("objectives: ", "services.api.objectives", "not yet"),
        ("replica: 3", "services.api.replica", "unknown key"),
        ("replicas: 0", "services.api.replicas", "must be at least 1"),
        ("replicas: true", "services.api.replicas", "must be a whole number, not `true`"),
        ("worker: yes", "services.api.worker", "must be `true` or `false`, not the text `yes`"),
        ("env: {A: }", "services.api.env.A", "must be text, not nothing"),
        ("env: {A-B: x}", "services.api.env.A-B", "`A-B` is not a variable's name"),
        ("env: {PORT: 1}", "services.api.env.PORT", "`PORT` is set by Sophia"),
        ("env: {SOPHIA_X: 1}", "services.api.env.SOPHIA_X", "`SOPHIA_X` is set by Sophia"),
        ("env: {STORE_URL: x}", "services.api.env.STORE_URL", "`STORE_URL` is set by Sophia"),
        ('env: {A: "\\0"}', "services.api.env.A", "no process can be given"),
        ("secrets: [DATA_DIR]", "services.api.secrets[0]", "`DATA_DIR` is set by Sophia"),
        ("secrets: [A, A]", "services.api.secrets[1]", "stands here twice"),
        ("health: {path: health}", "services.api.health.path", "`health` is not a path"),
        ("health: {every: 5}", "services.api.health.every", "`5` is not a duration"),
        ("health: {every: 1ms}", "services.api.health.every", "too small"),
        ("health: {of: 2}", "services.api.health.of", "3 good answers out of 2 are impossible"),
        ("health: {within: 400ms}", "services.api.health.within", "3 probes take at least 500 ms"),
        ("smoke: [{status: 200}]", "services.api.smoke[0]", "one of `get`, `post` and `run` is needed"),
        ("smoke: [{get: /, run: [x]}]", "services.api.smoke[0]", "only one of `get` and `run`"),
        ("smoke: [{run: [x], header: {a: b}}]", "services.api.smoke[0].header", "a command has no headers"),
        ("resources: {memory: 512}", "services.api.resources.memory", "`512` is not a size"),
        ("resources: {cpu: [1]}", "services.api.resources.cpu", "must be like `0.5`, not a list"),
        ("stop: {signal: SIGTREM}", "services.api.stop.signal", "must be `SIGTERM` or"),
        ("build: make", "services.api.build", "a command is a list of words"),
        ("worker: true", "services.api.routes", "a worker has no port"),
        ("stop: [1]", "services.api.stop", "must be a mapping, not a list"),
        ("source: web", "services.api.source", "the key is already in line 4"),
    ],
)
def test_a_wrong_line_is_one_problem_at_its_place(line, path, message):
    problem = one(api(line))
    assert (problem.line, problem.path) == (6 if path == "services.api.routes" else 8, path)
    assert message in problem.message


@pytest.mark.parametrize(
    ("was", "now", "path", "message"),
    [
        ("needs: [store]", "needs: [mailer]", "services.api.needs[0]", "`mailer` is a worker"),
        ("needs: [store]", "needs: [api]", "services.api.needs[0]", "circle: `api` → `api`"),
        ("source: api", "source: ../api", "services.api.source", "must be a path inside"),
        ("source: api", "source: /api", "services.api.source", "must be a path inside"),
        ("root: dist", "root: ..", "services.web.bundle.static.root", "must be a path inside"),
        ("spa: true}}", "spa: true}, run: [x]}", "services.web.bundle.run", "`run` does not go with `static`"),
        ("spa: true}}", "spa: true}}, needs: [api]", "services.web.needs", "does not go with `static`"),
        ("spa: true}}", "spa: true}}, secrets: [A]", "services.web.secrets", "does not go with `static`"),
        ("static: {root: dist, spa: true}", "include: [a]", "services.web.bundle", "neither `run` nor `static`"),
        ("include: [dist/*.whl], ", "", "services.api.bundle", "`include` is missing"),
        ("routes: [/]", "routes: [/api]", "services.web.routes[0]", "`/api` is answered by `api` already"),
        ("routes: [/]", "routes: ['/*']", "services.web.routes[0]", "`/*` is not a path prefix"),
        ("routes: [/]", "routes: [/a/../b]", "services.web.routes[0]", "is not a path prefix"),
        ("single: true", "single: true, routes: [/x]", "services.store.routes", "replaced with a gap"),
        ("single: true", "single: true, replicas: 2", "services.store.replicas", "a single runs once"),
        ("single: true", "single: true, worker: true", "services.store.single", "either a `worker` or a `single`"),
        ("api: {replicas: 4}", "store: {replicas: 2}", "environments.production.services.store.replicas", "runs once"),
        ("api: {replicas: 4}", "ap: {replicas: 2}", "environments.production.services.ap", "there is no service `ap`"),
        (
            "api: {replicas: 4}",
            "api: {env: {PORT: 1}}",
            "environments.production.services.api.env.PORT",
            "set by Sophia",
        ),
        ("api: {replicas: 4}", "web: {env: {A: 1}}", "environments.production.services.web.env", "reads no variables"),
        ("port: 8082", "port: 8080", "environments.production.edge.port", "is the edge of `local` already"),
        ("port: 8082", "port: 70000", "environments.production.edge.port", "must be at most 65535"),
        ("runtime: local", "runtime: kubernetes", "environments.production.runtime", "not yet"),
        ("runtime: local", "approvals: {}", "environments.production.approvals", "not yet"),
        ("runtime: local", "strategy: {canary: []}", "environments.production.strategy.canary", "not yet"),
        ("platform: shop", "platform: shop\nobjectives: {}", "objectives", "not yet"),
        ("platform: shop", "", "platform", "is missing"),
        ("  api:", "  Api:", "services.Api", "is not a name"),
    ],
)
def test_a_wrong_word_is_one_problem_at_its_path(was, now, path, message):
    found = [problem for problem in loading.problems(GOOD.replace(was, now, 1)) if problem.path == path]
    assert len(found) == 1, loading.problems(GOOD.replace(was, now, 1))
    assert message in found[0].message


def test_every_circle_of_needs_is_named_once():
    text = "platform: x\nservices:\n"
    for name, needs in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "d"), ("f", "a")]:
        text += f"  {name}: {{source: s, bundle: {{include: [x], run: [x]}}, needs: [{needs}]}}\n"
    text += "environments: {local: {edge: {port: 1}}}\n"
    circles = [message.split(": ")[1] for _, _, _, message in said(text)]
    assert circles == ["`a` → `b` → `c` → `a`", "`d` → `e` → `d`"]


def test_what_only_follows_from_another_problem_is_not_told():
    text = GOOD.replace("run: [./api]", "run: ./api").replace("source: web", "source: [web]")
    assert [path for _, _, path, _ in said(text)] == ["services.api.bundle.run", "services.web.source"]


def test_missing_parts_are_told_together():
    assert [(path, message) for _, _, path, message in said("services: {a: {needs: [b]}}")] == [
        ("environments", "is missing"),
        ("platform", "is missing"),
        ("services.a.bundle", "is missing"),
        ("services.a.source", "is missing"),
        ("services.a.needs[0]", "there is no service `b`"),
    ]


NO_MAPPING = [
    "",
    "# nothing\n",
    "just words",
    "- a\n- b\n",
    "42",
    "\tplatform: x",
    "a: [",
    b"\x00\x01",
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("content", NO_MAPPING)
def test_a_file_that_is_no_mapping_is_one_problem(file, content):
    with pytest.raises(SophiaError) as caught:
        loading.load(file(content))
    assert caught.value.code is loading.CONFIGURATION
    assert len(caught.value.facts["problems"]) == 1


def test_ten_megabytes_are_refused_without_being_parsed(file):
    path = file(b"a: [" + b"x, " * 3_400_000)
    started = time.process_time()
    with pytest.raises(SophiaError, match="at most 1,000,000"):
        loading.load(path)
    assert time.process_time() - started < 0.2


def test_a_file_that_is_not_there_or_no_file_is_one_error_with_a_hint(tmp_path):
    for path in (tmp_path / "sophia.yaml", tmp_path):
        with pytest.raises(SophiaError) as caught:
            loading.load(path)
        assert caught.value.code is loading.NO_CONFIGURATION
        assert caught.value.hint


def test_the_nearest_file_above_is_found(file, tmp_path):
    path = file(GOOD)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert loading.find(tmp_path / "a" / "b") == path
    assert loading.find(tmp_path) == path


def test_where_no_directory_above_has_a_file_init_is_named():
    with pytest.raises(SophiaError) as caught:
        loading.find(Path("/proc/self"))
    assert "sophia init" in (caught.value.hint or "")


def test_a_hundred_problems_are_counted_but_not_all_shown(file):
    with pytest.raises(SophiaError) as caught:
        loading.load(file(GOOD + "".join(f"unknown{number}: 1\n" for number in range(100))))
    assert caught.value.message.endswith("\n… and 50 more")
    assert len(caught.value.facts["problems"]) == 100


def test_what_a_terminal_would_obey_is_never_printed(file):
    with pytest.raises(SophiaError) as caught:
        loading.load(file(GOOD + '"\\e[31mred": "\\u202e"\n# \u200f\n'))
    assert not any(character in caught.value.message for character in "\x1b\u202e\u200f")


def test_a_long_line_is_cut_around_the_place(file):
    with pytest.raises(SophiaError) as caught:
        loading.load(file(GOOD + "retention: {" + " " * 500 + "releases: 0" + " " * 500 + "}\n"))
    shown = caught.value.message.split("\n")
    assert max(map(len, shown)) < 140
    assert shown[1][shown[2].index("^")] == "0"


def test_sources_that_are_not_there_or_lead_out_are_told_with_their_place(file, tmp_path):
    for name in ("api", "store"):
        (tmp_path / name).mkdir()
    (tmp_path / "web").symlink_to("/")
    text = GOOD.replace("include: [mailer]", "include: [mailer, ../../x, //y, //../z, /etc]")
    assert [astuple(problem)[:4] for problem in loading.check_sources(file(text), tmp_path)] == [
        (8, 17, "services.web.source", "there is no directory `web` beside `sophia.yaml`"),
        (10, 20, "services.mailer.source", "there is no directory `mailer` beside `sophia.yaml`"),
        (10, 85, "services.mailer.bundle.include[1]", "`../../x` leads out of the repository"),
        (10, 99, "services.mailer.bundle.include[3]", "`//../z` leads out of the repository"),
        (10, 107, "services.mailer.bundle.include[4]", "`/etc` leads out of the repository"),
    ]
    with pytest.raises(SophiaError, match="leads out"):
        loading.load_checked(file(text))


def test_a_file_whose_sources_are_there_passes(file, tmp_path):
    for name in ("api", "store", "web", "mailer"):
        (tmp_path / name).mkdir()
    assert loading.check_sources(file(GOOD), tmp_path) == []
    assert loading.load_checked(file(GOOD)).platform == "shop"


def test_three_hundred_lines_load_within_thirty_milliseconds(file):
    one_service = """\
  s{0}: {{source: s, bundle: {{include: [a, b], run: [x, y]}}, routes: [/r{0}],
    env: {{A: 1, B: 2}},
    health: {{every: 1s}}}}
"""
    services = "".join(one_service.format(number) for number in range(100))
    text = f"platform: x\nservices:\n{services}environments: {{local: {{edge: {{port: 1}}}}}}\n"
    path = file(text)
    loading.load(path)
    best = min(_timed(path) for _ in range(5))
    assert best < 0.03, best


def _timed(path):
    started = time.process_time()
    loading.load(path)
    return time.process_time() - started


signs = ["&a", "*a", "<<:", "{", "}", "[", "]", "\n", "\n  ", "\n    ", "-", "null", "1e9", "0", '"']
words = st.sampled_from(GOOD.split() + signs)


@given(st.lists(words, max_size=60).map(" ".join))
def test_no_arrangement_of_the_words_crashes_the_loader(text):
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in loading.problems(text))


@given(st.text())
def test_no_text_crashes_the_loader(text):
    loading.problems(text)


@given(st.data())
def test_no_value_in_any_place_crashes_the_loader(data):
    lines = GOOD.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    key = lines[index].split(":")[0]
    values = ["", "1", "x", "[]", "{}", "[1, {}]", "{a: 1}", "[[]]", ".nan", "1e999", "true", "-1", '""', "9" * 40]
    value = data.draw(st.sampled_from(values))
    lines[index] = f"{key}: {value}"
    loading.problems("\n".join(lines))
