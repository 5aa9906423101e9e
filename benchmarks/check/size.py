"""Time and memory on a repository as large as a real one, and on one that is ten times as large."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.check.running import Ran, check

GOALS = {"cold": "≤ 10 s, ≤ 500 MB", "unchanged": "≤ 1.5 s", "one file changed": "≤ 2 s"}


@dataclass(frozen=True)
class Extent:
    """How much there is of what; lines are of all Python files together."""

    python: int = 1_450
    lines: int = 290_000
    workflows: int = 47
    compose: int = 22
    dockerfiles: int = 40
    shell: int = 120
    others: int = 171

    @property
    def files(self) -> int:
        return self.python + self.workflows + self.compose + self.dockerfiles + self.shell + self.others

    def times(self, factor: int) -> Extent:
        return Extent(*(each * factor for each in (self.python, self.lines, self.workflows, self.compose,
                        self.dockerfiles, self.shell, self.others)))  # fmt: skip


def measure() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="check-nothing-") as nothing:
        check(Path(nothing))  # leaves byte code, as an installation does
    print("| repository | check | s | of processors | MB | goal |\n|---|---|---|---|---|---|")
    first = _measure_one("real size", Extent(), GOALS)
    tenfold = _measure_one("ten times", Extent().times(10), {})
    growth = tenfold / first
    print(f"| ten times against one | cold | | {growth:.1f}x | | ≤ 11x |")


def _measure_one(name: str, extent: Extent, goals: dict[str, str]) -> float:
    with tempfile.TemporaryDirectory(prefix="check-size-") as directory:
        root, caches = Path(directory) / "repository", Path(directory) / "caches"
        write(root, extent)
        found, report, cold = check(root, caches=caches)
        label = f"{name}: {report['files']} files, {extent.lines} lines of Python"
        _print(label, "cold", [cold], goals)
        if blocking := [each for each in found if each.blocking]:
            print(f"  nothing is wrong there, but: {blocking[0].said} (and {len(blocking) - 1} more)")
        _print(label, "unchanged", [check(root, caches=caches)[2] for _ in range(3)], goals)
        changed = []
        for number in range(3):
            path = root / f"services/s{number}/app/m0.py"
            path.write_text(path.read_text() + f"\nCHANGED = {number}\n")
            changed.append(check(root, caches=caches)[2])
        _print(label, "one file changed", changed, goals)
    return cold.busy_seconds


def _print(label: str, what: str, ran: list[Ran], goals: dict[str, str]) -> None:
    seconds = statistics.median(each.seconds for each in ran)
    busy = statistics.median(each.busy_seconds for each in ran)
    megabytes = max(each.megabytes for each in ran)
    print(f"| {label} | {what} | {seconds:.2f} | {busy:.2f} | {megabytes:.0f} | {goals.get(what, '')} |")


# --- what is written ------------------------------------------------------------------------------------------------


def write(root: Path, extent: Extent) -> None:
    """A repository of services, each with a package, a Dockerfile, scripts, a workflow; nothing in it is wrong."""
    services = extent.dockerfiles
    each_lines = extent.lines // extent.python
    for number in range(extent.python):
        service, module = number % services, number // services
        folder = root / f"services/s{service}/app"
        _write(folder / f"m{module}.py", _module(service, module, each_lines))
    for service in range(services):
        folder = root / f"services/s{service}"
        _write(folder / "app/__init__.py", "")
        _write(folder / "Dockerfile", _DOCKERFILE.format(name=f"s{service}"))
        _write(folder / "requirements.txt", "uvicorn==0.29.0\n")
    for number in range(extent.shell):
        _write(root / f"scripts/run{number}.sh", _SHELL.format(service=number % services))
    for number in range(extent.workflows):
        _write(root / f".github/workflows/w{number}.yml", _workflow(number, services, extent.shell))
    for number in range(extent.compose):
        _write(root / f"deploy/stack{number}/docker-compose.yml", _compose(number, services))
    for number in range(max(0, extent.others - 2 * services)):
        _write(root / f"docs/page{number}.md", f"# Page {number}\n\n" + "Some words about a thing.\n" * 40)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def _module(service: int, module: int, lines: int) -> str:
    head = '"""Part of a service."""\n\nimport argparse\nimport subprocess\nimport sys\n\n'
    if module:
        head += f"from app.m{module - 1} import step_0_{module - 1}\n\n"
    called = module - 1 if module else 0
    main = _MAIN.format(other=f"services/s{service}/app/m{called}.py")
    steps = max(1, (lines - head.count("\n") - main.count("\n")) // _STEP.count("\n"))
    body = (_STEP.format(name=f"step_{step}_{module}", number=step) for step in range(steps))
    return head + "".join(body) + main


_STEP = '''

def {name}(values, factor={number}):
    """Adds up what is above a limit, and remembers the rest."""
    total, rest = 0, []
    for index, value in enumerate(values):
        if value > factor and index % 2 == 0:
            total += value * {number} + len(rest)
        elif isinstance(value, str):
            rest.append({{"value": value, "index": index, "said": f"{{value}} of {number}"}})
        else:
            rest.extend(other for other in (value, index) if other)
    return total, rest
'''

_MAIN = """

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=1)
    parser.add_argument("--name", choices=["a", "b"], default="a")
    given = parser.parse_args()
    if given.limit:
        subprocess.run([sys.executable, "{other}", "--limit", "2", "--name", given.name], check=True)


if __name__ == "__main__":
    main()
"""

_DOCKERFILE = """FROM python:3.12-slim AS build
WORKDIR /srv
COPY requirements.txt ./
RUN pip install --no-cache-dir --target /packages -r requirements.txt
FROM python:3.12-slim
WORKDIR /srv
COPY --from=build /packages /packages
COPY app ./app
ENV NAME={name} PYTHONPATH=/packages
USER 1000
HEALTHCHECK CMD python -c "import app"
CMD ["python", "-m", "app.m0", "--limit", "3"]
"""

_SHELL = """#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")/.."
for name in a b; do
  python services/s{service}/app/m0.py --limit 3 --name "$name"
done
if [ -f local.sh ]; then
  bash local.sh
fi
docker build -t s{service} services/s{service}
"""


def _workflow(number: int, services: int, scripts: int) -> str:
    jobs = "".join(
        f"""  job{job}:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install -r services/s{(number + job) % services}/requirements.txt
      - run: bash scripts/run{(number * 3 + job) % scripts}.sh
      - run: python -m app.m0 --limit 4
        working-directory: services/s{(number + job) % services}
"""
        for job in range(4)
    )
    return f"name: w{number}\non:\n  push:\n    branches: [main]\njobs:\n{jobs}"


def _compose(number: int, services: int) -> str:
    entries = "".join(
        f"""  s{service}:
    build: ../../services/s{service}
    image: registry.example/s{service}:1.0
    ports: ["{20000 + number * 50 + at}:8000"]
    healthcheck:
      test: ["CMD", "python", "-c", "import app"]
    networks: [inner]
"""
        for at, service in enumerate({(number + step) % services for step in range(8)})
    )
    return f"services:\n{entries}networks:\n  inner: {{}}\n"
