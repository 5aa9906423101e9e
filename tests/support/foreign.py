"""A repository of somebody who never heard of us (API, notifier, static site, worker), as a git repository of its own.

foreign = make_foreign(tmp_path)
foreign.change("api/shop_api/__init__.py", "2.1.0", "2.2.0")     # the owner's next commit
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.repository import commit, make_repository

FIXTURE = Path(__file__).parents[1] / "fixtures" / "foreign"


@dataclass(frozen=True)
class Foreign:
    """The owner's checkout; everything in it is committed."""

    root: Path

    def change(self, path: str, old: str, new: str) -> str:
        """Replace `old`, which has to be there, in one file and commit; the commit."""
        text = (self.root / path).read_text()
        assert old in text, f"`{old}` is not in {path}"
        (self.root / path).write_text(text.replace(old, new))
        return commit(self.root, f"change {path}")

    def new_site(self, *, title: str, mark: str) -> str:
        """A new build of the site: another title, and a lazy chunk under another name while the old one is gone."""
        assets = self.root / "site/public/assets"
        (old,) = assets.glob("cart.*.js")
        new = f"cart.{mark}.js"
        old.rename(assets / new)
        (entry,) = assets.glob("app.*.js")
        (assets / f"app.{mark}.js").write_text(entry.read_text().replace(old.name, new))
        entry.unlink()
        page = self.root / "site/public/index.html"
        text = page.read_text().replace(entry.name, f"app.{mark}.js")
        page.write_text(text.replace("<h1>Teashop</h1>", f"<h1>{title}</h1>"))
        return commit(self.root, f"build the site: {title}")


def make_foreign(directory: Path) -> Foreign:
    """`directory`/teashop, with one commit."""
    root = directory / "teashop"
    shutil.copytree(FIXTURE, root, ignore=shutil.ignore_patterns("__pycache__"))
    make_repository(root)
    commit(root, "Open the shop")
    return Foreign(root)
