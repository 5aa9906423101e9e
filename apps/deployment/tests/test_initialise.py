import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sophia_deployment import initialise
from sophia_deployment.initialise import commands, images, propose
from sophia_deployment.initialise.draft import word
from sophia_deployment_core import loading, yaml12
from sophia_deployment_core.errors import SophiaError

FOREIGN = Path(__file__).parents[3] / "tests" / "fixtures" / "foreign"


@pytest.fixture
def repository(tmp_path):
    """Makes a repository `shop` of the given files and returns what is proposed for it: platform and text."""

    def make(**files):
        root = tmp_path / "shop"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        text = propose(root)
        (root / "sophia.yaml").write_text(text)
        assert loading.check_sources(root / "sophia.yaml", root) == []
        return loading.load(root / "sophia.yaml"), text

    return make


def test_the_foreign_repository_is_described_as_it_is(tmp_path):
    file = tmp_path / "sophia.yaml"
    file.write_text(propose(FOREIGN))
    assert loading.check_sources(file, FOREIGN) == []
    platform = loading.load(file)
    api, notify, site, mailer = (platform.services[name] for name in ("api", "notify", "site", "mailer"))
    assert platform.platform == "teashop"
    assert (api.source, api.bundle.run, api.needs) == ("api", ("python3", "-m", "shop_api"), ("notify",))
    assert (api.routes, api.health.path, api.env) == (("/api",), "/api/health", {"LOG_LEVEL": "info"})
    assert (notify.source, notify.bundle.run, notify.health.path) == ("notify", ("node", "server.js"), "/healthz")
    assert notify.env == {"GREETING": "Thank you"}
    assert (site.bundle.static.root, site.bundle.static.spa, site.routes) == ("public", True, ("/",))
    assert (mailer.worker, mailer.source, mailer.stop.grace_ms) == (True, "worker", 20_000)
    assert "shares the volume `orders`" in file.read_text()


def test_a_python_application_without_a_dockerfile_is_found_by_its_framework(repository):
    platform, _ = repository(**{
        "requirements.txt": "fastapi\nuvicorn\n",
        "app/__init__.py": "",
        "app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/healthz')\ndef alive(): ...\n",
        "tests/test_app.py": "",
        "README.md": "",
    })  # fmt: skip
    shop = platform.services["shop"]
    assert shop.bundle.run == (".venv/bin/uvicorn", "app.main:app", "--port", "$PORT")
    assert shop.bundle.include == ("app", "requirements.txt")
    assert "pip install -r requirements.txt" in shop.bundle.prepare[-1]
    assert (shop.health.path, shop.routes) == ("/healthz", ("/",))


def test_a_procfile_has_a_web_process_and_workers(repository):
    platform, text = repository(**{
        "Procfile": "web: gunicorn app:app --bind 0.0.0.0:5000\nworker: celery -A tasks worker\nrelease: flask db up\n",
        "requirements.txt": "flask\n",
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
    })  # fmt: skip
    assert platform.services["web"].bundle.run[-2:] == ("--bind", "127.0.0.1:$PORT")
    assert platform.services["web"].routes == ("/",)
    assert platform.services["worker"].worker
    assert "listened on port 5000" in text
    assert "`release` command is not run" in text


def test_a_node_workspace_has_its_services_and_not_its_libraries(repository):
    platform, text = repository(**{
        "package.json": {"name": "@acme/mono", "workspaces": ["apps/*", "packages/*"]},
        "apps/web/package.json": {"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}},
        "apps/web/index.html": "",
        "apps/server/package.json": {"scripts": {"start": "node src/index.js"}, "dependencies": {"express": "4"}},
        "apps/server/src/index.js": "const app = require('express')()\napp.get('/health', ok)\napp.listen(3000)\n",
        "packages/ui/package.json": {"name": "ui", "main": "index.js"},
    })  # fmt: skip
    assert platform.platform == "acme-mono"
    assert sorted(platform.services) == ["server", "web"]
    assert platform.services["web"].bundle.static.root == "dist"
    assert platform.services["web"].build == (("npm", "install"), ("npm", "run", "build"))
    assert platform.services["server"].bundle.run == ("node", "src/index.js")
    assert platform.services["server"].health.path == "/health"
    assert "listens on port 3000 (apps/server/src/index.js:3)" in text


def test_where_turborepo_builds_no_build_is_written(repository):
    platform, _ = repository(**{
        "turbo.json": {},
        "apps/web/package.json": {"scripts": {"build": "next build", "start": "next start -p 3000"},
                                  "dependencies": {"next": "14"}},
        "apps/docs/package.json": {"scripts": {"build": "astro build"}, "dependencies": {"astro": "4"}},
    })  # fmt: skip
    assert [service.build for service in platform.services.values()] == [(), ()]
    assert platform.services["web"].bundle.run == ("npx", "next", "start", "-p", "$PORT")
    assert ".next" in platform.services["web"].bundle.include


COMPOSE = """\
x-common: &common {restart: always}
services:
  web:
    <<: *common
    build: .
    command: python manage.py runserver 0.0.0.0:8000
    ports: ["8000:8000"]
    env_file: .env
    environment:
      DATABASE_URL: postgres://user:hunter2@db:5432/app
      CACHE: redis://redis:6379
      SECRET_KEY: hunter2
      DEBUG: "1"
      REGION:
      FINDER: http://search:9200/
    depends_on: {db: {condition: service_healthy}, search: {}}
    deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 512M}}}
  search: {build: ./search, expose: [9200], depends_on: [web], volumes: ["index:/data"]}
  celery: {build: ., command: celery -A proj worker, depends_on: [redis, web]}
  db: {image: "postgres:16"}
  redis: {image: redis}
"""
FULL = {
    "docker-compose.yml": COMPOSE,
    "Dockerfile": "FROM python:3.12\nWORKDIR /code\nCOPY . /code/\n",
    "requirements.txt": "django\n",
    "manage.py": "",
    "search/go.mod": "module search",
    "search/cmd/search/main.go": "package main\n",
    "search/Dockerfile": """\
FROM golang AS build
COPY . .
RUN go build \\
    -o /app ./cmd/search
FROM scratch
COPY --from=build /app /app
ENTRYPOINT ["/app"]
CMD ["--addr", ":9200"]
""",
}


def test_a_compose_file_becomes_services_without_its_ports_and_secrets(repository):
    platform, text = repository(**FULL)
    web = platform.services["web"]
    assert web.bundle.run == (".venv/bin/python", "manage.py", "runserver", "127.0.0.1:$PORT")
    assert (web.replicas, web.resources.to_canonical()) == (2, {"cpu_millicores": 500, "memory_bytes": 512_000_000})
    assert web.env == {"CACHE": "redis://redis:6379", "DEBUG": "1", "REGION": ""}
    assert web.secrets == ("DATABASE_URL", "SECRET_KEY")
    assert "hunter2" not in text
    assert platform.services["search"].build == (("go", "build", "-o", "bin/app", "./cmd/search"),)
    assert platform.services["search"].bundle.run == ("./bin/app", "--addr", "127.0.0.1:$PORT")
    assert platform.services["search"].routes == ()
    assert platform.services["celery"].worker


def test_what_a_compose_file_leaves_open_is_marked(repository):
    marked = " ".join(repository(**FULL)[1].replace("#", " ").split())
    for said in (
        "`db` (postgres:16) in docker-compose.yml is an image that is not built here",
        "it needs `db` (postgres:16)",
        "its env_file (.env) was not read",
        "`CACHE` names `redis` of docker-compose.yml",
        "`FINDER` was http://search:9200/; the address of `search` comes as `SEARCH_URL`",
        "`REGION` was ${REGION}, and nothing says what that is",
        "set each one: `sophia secrets set local DATABASE_URL`",
        "the volume `index` becomes `$DATA_DIR`",
        "it named `web`, which needs it too",
    ):
        assert f"{said}" in marked


def test_pages_that_an_image_builds_for_a_web_server_are_static(repository):
    dockerfile = "FROM node AS b\nRUN npm run build\nFROM nginx\nCOPY --from=b /app/dist /usr/share/nginx/html\n"
    files = {"Dockerfile": dockerfile, "package.json": {"scripts": {"build": "vite build"}}, "package-lock.json": {}}
    service = repository(**files)[0].services["shop"]
    assert service.bundle.static.root == "dist"
    assert service.build == (("npm", "ci"), ("npm", "run", "build"))


def test_a_directory_of_pages_is_static(repository):
    platform, _ = repository(**{"index.html": "", "style.css": ""})
    assert platform.services["shop"].bundle.static.root == "."


@pytest.mark.parametrize("files", [{}, {"compose.yaml": "services:\n\t- x"}, {"package.json": "{", "Procfile": "???"}])
def test_where_nothing_is_found_an_example_is_written_and_says_so(repository, files):
    platform, text = repository(**files)
    assert list(platform.services) == ["app"]
    assert "TODO: nothing was found that looks like a service" in " ".join(text.replace("\n#", " ").split())


def test_a_compose_file_that_cannot_be_read_is_named(repository):
    assert "compose.yaml could not be read (line 2: a tab cannot indent)" in repository(**{
        "compose.yaml": "services:\n\t- x", "index.html": ""})[1]  # fmt: skip


def test_nothing_outside_the_repository_is_read(repository, tmp_path):
    (tmp_path / "Dockerfile").write_text('CMD ["node", "secret.js"]\n')
    (tmp_path / "secret.js").write_text("app.listen(4711)\n")
    (tmp_path / "shop").mkdir()
    for name in ("Dockerfile", "secret.js"):
        (tmp_path / "shop" / name).symlink_to(tmp_path / name)
    composed = "services: {a: {build: .}, b: {build: {context: .., dockerfile: ../Dockerfile}}}"
    _, text = repository(**{"docker-compose.yml": composed, "package.json": {}})
    assert "node" not in text
    assert "4711" not in text


def test_what_the_pages_web_server_passes_on_is_a_route_of_the_service(repository):
    platform, _ = repository(**{
        "compose.yaml": "services: {api: {build: api, expose: [80]}, site: {build: site, ports: ['80:80']}}",
        "api/Dockerfile": 'FROM node\nCMD ["node", "api.js"]\n',
        "site/Dockerfile": "FROM nginx\nCOPY pages /usr/share/nginx/html\n",
        "site/pages/index.html": "",
        "site/nginx.conf": "server { location /v1/ { proxy_pass http://api:80; } location / { try_files $uri =404; } }",
    })  # fmt: skip
    assert platform.services["api"].routes == ("/v1",)
    assert platform.services["site"].routes == ("/",)


def test_a_file_that_exists_is_not_overwritten_unless_forced(tmp_path):
    file = tmp_path / "sophia.yaml"
    file.write_text("mine")
    with pytest.raises(SophiaError) as caught:
        initialise.write(tmp_path)
    assert "--force" in (caught.value.hint or "")
    assert caught.value.code.exit == 2
    assert file.read_text() == "mine"
    assert initialise.write(tmp_path, force=True) == file
    assert loading.load(file)


def test_writing_twice_proposes_the_same(repository, tmp_path):
    _, text = repository(**FULL)
    assert propose(tmp_path / "shop") == text


@pytest.mark.parametrize(
    ("given", "expected", "ports"),
    [
        ("uvicorn main:app --host 0.0.0.0 --port 8000", "uvicorn main:app --host 127.0.0.1 --port $PORT", ["8000"]),
        ("uvicorn main:app --port=80", "uvicorn main:app --port=$PORT", ["80"]),
        ("python -m uvicorn main:app", "python -m uvicorn main:app --port $PORT", []),
        ("gunicorn -b :5000 -w 4 app:app", "gunicorn -b 127.0.0.1:$PORT -w 4 app:app", ["5000"]),
        ("flask --app web run", "flask --app web run --port $PORT", []),
        ("python manage.py runserver", "python manage.py runserver 127.0.0.1:$PORT", []),
        ("python -m http.server 9000", "python -m http.server $PORT", ["9000"]),
        ("serve -l tcp://0.0.0.0:3000", "serve -l tcp://127.0.0.1:$PORT", ["3000"]),
        ("node server.js", "node server.js", []),
        ("worker --count 8000", "worker --count 8000", []),
        ("uvicorn main:app --port ${PORT:-8000}", "uvicorn main:app --port $PORT", []),
    ],
)
def test_a_port_in_a_command_becomes_the_given_one(given, expected, ports):
    assert commands.on_given_port(commands.split(given)) == (expected.split(), ports)


def test_a_port_in_a_shells_command_becomes_the_given_one():
    found = commands.on_given_port(commands.split("migrate && uvicorn main:app --port 8000"))
    assert found == (["sh", "-c", "migrate && uvicorn main:app --port $PORT"], ["8000"])


def test_the_last_stage_of_a_dockerfile_counts():
    image = images.read(
        'FROM a AS x\nCMD no\nFROM --platform=linux b\n# CMD no\nEXPOSE 80/tcp\nCMD ["run", \\\n "it"]\n'
    )
    assert (image.base, image.run, image.exposes) == ("b", ["run", "it"], ["80"])


@given(st.text())
def test_a_word_is_written_so_that_it_reads_back(text):
    try:
        read = yaml12.parse(f"- [{word(text)}, {word(text)}]\n- {{a: {word(text)}}}\n").data
    except yaml12.Unreadable:
        assert any(not character.isprintable() for character in text)
    else:
        assert read == [[text, text], {"a": text}]


WORDS = ["a", "b", "", "x\0", "../x", "http://a:80/", "${X}", "${X:-1}", "$(x)", "node", "8000:80", "x:/y", "{", "null"]
values = st.none() | st.booleans() | st.integers() | st.sampled_from([*WORDS, "\n# x: y", "é\u202e"])
KEYS = """build image command entrypoint environment depends_on ports expose volumes healthcheck test deploy replicas
resources limits cpus memory context dockerfile labels profiles env_file stop_grace_period a b PORT A_URL TOKEN"""
keys = st.sampled_from(KEYS.split())
trees = st.recursive(
    values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=12
)
services = st.dictionaries(
    st.sampled_from(["a", "b", "A b", "1", "é", "x" * 60]), st.dictionaries(keys, trees), max_size=3
)


@given(
    services,
    st.text(max_size=80),
    st.sampled_from(["Dockerfile", "Procfile", "pyproject.toml", "package.json", "a/main.py"]),
)
@example({"a": {"build": "x\0"}}, "", "Dockerfile")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_found_the_proposal_loads(tmp_path, composed, text, name):
    (tmp_path / "a").mkdir(exist_ok=True)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.unlink()
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": composed}))
    (tmp_path / name).write_text(text)
    assert loading.problems(propose(tmp_path)) == []


dockerfiles = st.lists(
    st.tuples(
        st.sampled_from(["FROM", "CMD", "ENTRYPOINT", "COPY", "EXPOSE", "WORKDIR", "HEALTHCHECK"]),
        st.sampled_from(
            [
                "nginx",
                "x y",
                '["a", "b"]',
                "[1, {}]",
                "dist /usr/share/nginx/html",
                "--from=a /b /srv",
                "..",
                "''",
                "$X && y",
            ]
        ),
    ).map(" ".join)
).map("\n".join)


@given(dockerfiles, st.dictionaries(st.sampled_from(["name", "main", "scripts", "dependencies", "workspaces"]), trees))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_dockerfile_and_a_package_say_the_proposal_loads(tmp_path, dockerfile, package):
    (tmp_path / "Dockerfile").write_text(dockerfile)
    (tmp_path / "package.json").write_text(json.dumps(package))
    assert loading.problems(propose(tmp_path)) == []
