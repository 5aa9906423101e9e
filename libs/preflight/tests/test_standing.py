"""What a file's place says of how much it matters."""

from __future__ import annotations

import pytest
from sophia_preflight.mentions import site_of
from sophia_preflight.model import Severity
from sophia_preflight.standing import Standing, consequence, standing


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("shop/app.py", Standing.PRODUCT),
        ("docs/Makefile", Standing.PRODUCT),
        ("docs/source/conf.py", Standing.PRODUCT),
        ("doc/requirements-docs.txt", Standing.PRODUCT),
        ("docs/howto/Makefile", Standing.EXAMPLE),
        ("docs/first.py", Standing.EXAMPLE),
        ("examples/docs/Makefile", Standing.EXAMPLE),
        ("tests/unit/test_app.py", Standing.TEST),
        (".github/workflows/integration/run.sh", Standing.PRODUCT),
        ("vendor/shop/app.py", Standing.VENDORED),
    ],
)
def test_where_a_file_lies_says_how_much_it_matters(path: str, expected: Standing) -> None:
    assert standing(path) is expected


def test_a_template_that_held_before_is_no_blank() -> None:
    template = site_of("shop/templates/new/Dockerfile")
    assert consequence(template)[0] is Severity.MEDIUM
    assert consequence(template, held=True)[0] is Severity.HIGH
    assert consequence(site_of("tests/Dockerfile"), held=True)[0] is Severity.MEDIUM
