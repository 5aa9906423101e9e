"""Scores `sophia check` on the labelled repositories, beside the field's linters. Prints one table.

    python -m benchmarks.check [--only NAME] [--linters DIRECTORY] [--missed] [--size]
    python -m benchmarks.check --mutants DIRECTORY [--each N] [--seed N] [--only NAME] [--missed]

Recall and precision are of blocking findings (critical, high). `--size` measures time and memory on a generated
repository instead: cold, unchanged, one file changed, and ten times as large. `--mutants` breaks one link at a time of
the real repositories in a directory, and tells which share is found by kind of link.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.check import linters, mutants, size
from benchmarks.check.corpus import Planted, corpus
from benchmarks.check.running import check
from benchmarks.check.scoring import Score, score, total

FAMILIES = {
    1: "missing targets", 2: "arguments", 3: "compose and stacks", 4: "Dockerfiles", 5: "workflows",
    6: "Kubernetes and others", 7: "Python", 8: "secrets", 9: "contradictions",
}  # fmt: skip
COLUMNS = (
    "repository", "planted", "traps", "found", "missed", "false alarms", "recall", "precision", "s", "MB",
    "linters: found", "said beside", "s",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="the repositories whose name contains this")
    parser.add_argument("--linters", type=Path, help="where the linters are installed, if not beside this Python")
    parser.add_argument("--missed", action="store_true", help="say what lies behind each figure")
    parser.add_argument("--size", action="store_true", help="measure time and memory on a large repository")
    parser.add_argument("--mutants", type=Path, help="break links of the repositories in this directory, one at a time")
    parser.add_argument("--each", type=int, default=20, help="how many mutants of each repository (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="draw other mutants (default: 0)")
    given = parser.parse_args()
    if given.mutants:
        mutants.measure(given.mutants, only=given.only, each=given.each, seed=given.seed, details=given.missed)
        return 0
    if given.size:
        size.measure()
        return 0
    chosen = [each for each in corpus() if given.only in each.name]
    programs = linters.installed(given.linters)
    absent = [each.program for each in linters.LINTERS if each.program not in programs]
    _table(chosen, programs, details=given.missed)
    if absent:
        print(f"\nnot installed, and left out: {', '.join(absent)}")
    return 0


def _table(chosen: list[Planted], programs: dict[str, str], *, details: bool) -> None:
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    scores, told = [], []
    sums = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    for each in chosen:
        with tempfile.TemporaryDirectory(prefix=f"check-{each.name}-") as directory:
            root = Path(directory)
            each.write(root)
            found, _, ran = check(root, "--no-cache")
            said = linters.look(root, programs)
        named, beside = linters.found_by(each, said)
        scores.append(score(each, found))
        told += [f"\n{each.name}: {each.about}", *_details(scores[-1])]
        figures = [len(each.traps), ran.seconds, ran.megabytes, len(named), beside, said.seconds]
        sums = [max(a, b) if at == 2 else a + b for at, (a, b) in enumerate(zip(sums, figures, strict=True))]
        print(_row(each.name, scores[-1], figures))
    everything = total(scores)
    print(_row("all", everything, sums))
    families = sorted(everything.families.items())
    print("\n" + ", ".join(f"{FAMILIES[family]} {found}/{of}" for family, (found, of) in families))
    if details:
        print("\n".join(told))


def _row(name: str, made: Score, figures: list[float]) -> str:
    traps, seconds, megabytes, named, beside, linting = figures
    return (
        f"| {name} | {made.planted} | {traps:.0f} | {len(made.found)} | {len(made.missed)} | {len(made.alarms)} "
        f"| {made.recall:.0%} | {made.precision:.0%} | {seconds:.2f} | {megabytes:.0f} "
        f"| {named:.0f} ({named / made.planted if made.planted else 0:.0%}) | {beside:.0f} | {linting:.1f} |"
    )


def _details(made: Score) -> list[str]:
    missed = [
        f"  missed   {each.spots[0].path}:{each.spots[0].line} {each.name} ({FAMILIES[each.family]})"
        for each in made.missed
    ]
    alarms = [f"  alarm    {each.spots[0].path}:{each.spots[0].line} {each.said}" for each in made.alarms]
    heavier = [f"  too heavy {defect.name}: {each.severity} {each.said}" for defect, each in made.heavier]
    return missed + alarms + heavier


if __name__ == "__main__":
    sys.exit(main())
