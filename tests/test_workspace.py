"""Lists that are kept by hand in the root's pyproject.toml hold every member."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
MEMBERS = {
    path.parent: tomllib.loads(path.read_text())
    for place in ("apps", "libs")
    for path in ROOT.glob(f"{place}/*/pyproject.toml")
}


def test_every_member_is_under_the_import_contracts() -> None:
    packages = {f"sophia_{member.name.replace('-', '_')}" for member in MEMBERS}
    assert packages == set(TOOL["importlinter"]["root_packages"])


def test_every_member_has_a_place_in_the_layers() -> None:
    arrows = next(contract for contract in TOOL["importlinter"]["contracts"] if contract["id"] == "arrows")
    placed = {package.strip() for layer in arrows["layers"] for package in layer.split("|")}
    assert placed == set(TOOL["importlinter"]["root_packages"])


def test_every_member_is_typed() -> None:
    assert {str((member / "src").relative_to(ROOT)) for member in MEMBERS} == set(TOOL["mypy"]["mypy_path"])
    assert [str(m) for m in MEMBERS if not (m / f"src/sophia_{m.name.replace('-', '_')}/py.typed").exists()] == []


def test_every_member_is_named_after_its_folder() -> None:
    assert {member.name: project["project"]["name"] for member, project in MEMBERS.items()} == {
        member.name: f"sophia-{member.name}" for member in MEMBERS
    }


def test_every_dependency_says_why_it_is_there() -> None:
    silent = []
    for member in MEMBERS:
        listed = (member / "pyproject.toml").read_text().partition("\ndependencies = [")[2].partition("\n]")[0]
        silent += [
            line.strip() for line in listed.splitlines() if line.strip() and "#" not in line and '"sophia-' not in line
        ]
    assert silent == []


def test_the_lock_names_no_registry() -> None:
    assert [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "://" in line] == []
