from pathlib import Path

from tests.acceptance.requirements import PROMISES, Promise
from tests.promises import breaches, carried, sources

KEPT = Promise("kept", "something holds", least="always")
LATER = Promise("later", "something will hold", least="always", deferred="not built yet")


def test_every_promise_has_a_test_or_a_reason_and_every_test_a_known_promise() -> None:
    assert breaches(PROMISES, carried(sources())) == []


def test_a_promise_without_test_and_without_reason_is_a_breach() -> None:
    assert breaches([KEPT], []) == ["`kept` has neither a test nor a reason why not yet"]


def test_a_test_with_an_unknown_promise_is_a_breach() -> None:
    tagged = [("kept", "a::b"), ("kepd", "a::c")]
    assert breaches([KEPT], tagged) == ["`a::c` carries `kepd`, which is no promise"]


def test_a_reason_that_outlived_its_excuse_is_a_breach() -> None:
    assert breaches([LATER], [("later", "a::b")]) == ["`later` is deferred, but `a::b` shows it"]


def test_a_promise_listed_twice_is_a_breach() -> None:
    assert breaches([LATER, LATER], []) == ["`later` is listed twice"]


def test_markers_are_found_on_functions_classes_and_modules_without_importing(tmp_path: Path) -> None:
    source = tmp_path / "test_some.py"
    source.write_text(
        "import does_not_exist\n"
        "pytestmark = [pytest.mark.slow, pytest.mark.promise('module')]\n"
        "@pytest.mark.promise('one', 'two')\n"
        "async def test_a(): ...\n"
        "@pytest.mark.promise('three')\n"
        "class TestB: ...\n"
        "@pytest.mark.promise(COMPUTED)\n"
        "def test_c(): ...\n"
    )
    assert [promise for promise, _ in carried([source])] == ["COMPUTED", "module", "one", "three", "two"]
