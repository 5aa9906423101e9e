"""As its owner does it: `sophia up` after a power cut, and `sophia deploy` over an engine that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.support.site import Site


def sophia(site: Site, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sophia_deployment.cli", *words]
    return subprocess.Popen(
        command,
        cwd=site.graph.root,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def said(process: subprocess.Popen[str], *, exit_code: int = 0) -> str:
    output, _ = process.communicate(timeout=90)
    assert process.returncode == exit_code, output
    return output


def kill_engine(site: Site) -> None:
    """The one that runs under its own launcher."""
    pid = site.client.engine()["pid"]
    os.kill(pid, signal.SIGKILL)
    site.until(lambda: (found := site.client.answers()) and found["pid"] != pid, "the next engine answers")
    site.engine_pid = site.client.engine()["pid"]


def is_switching(site: Site) -> bool:
    site.look()
    return any(view.switched and view.state == "running" for view in site.world.runs.values())


def test_after_a_power_cut_up_brings_everything_back_and_a_killed_engine_comes_back_by_itself(site: Site) -> None:
    site.kill_everything()
    said(sophia(site, "up"))
    site.engine_pid = site.client.engine()["pid"]
    site.check_standing(live="1")
    with site.traffic() as load:
        site.release()
        deploying = sophia(site, "deploy", "--watch", "1s")
        site.until(lambda: is_switching(site), "traffic is about to move")
        kill_engine(site)
        output = said(deploying)
    assert "the engine is gone" in output
    site.check_standing(live="2")
    site.unharmed(load)
    said(sophia(site, "down"))
    assert not site.launchers.list("instance/")
