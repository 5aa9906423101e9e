"""Programs that only run another: `sudo`, `env`, `timeout`, `uv run`, `tini` and their like, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sophia_preflight.calls.model import System


@dataclass(frozen=True)
class Wrapper:
    """A program that runs another: its options with values, operands of its own, and what else it does."""

    valued: frozenset[str] = frozenset()
    operands: int = 0
    assignments: bool = False
    after_dashes: bool = False
    """The command is what follows `--`, and only that."""
    verb: tuple[str, ...] = ()
    """Only with this word, as in `uv run`."""
    system: System | None = None
    more: bool = False
    """Words that nobody knows are added, as xargs does."""


def _wrapper(valued: str = "", operands: int = 0, **more: object) -> Wrapper:
    return Wrapper(frozenset(valued.split()), operands, **more)  # type: ignore[arg-type]  # keywords of `Wrapper`


_UV_RUN = (
    "--with --with-requirements --with-editable -p --python --extra --group --only-group --no-group --directory "
    "--project --env-file --package --index --index-url --extra-index-url -f --find-links --cache-dir --config-file "
    "--no-extra --color --refresh-package --resolution --exclude-newer --from --constraints"
)
_TORCHRUN = (
    "--nnodes --nproc_per_node --nproc-per-node --rdzv_backend --rdzv-backend --rdzv_endpoint --rdzv-endpoint "
    "--rdzv_id --rdzv-id --max_restarts --max-restarts --node_rank --node-rank --master_addr --master-addr "
    "--master_port --master-port --role --log_dir --log-dir --num_processes --num_machines --machine_rank "
    "--main_process_ip --main_process_port --mixed_precision --config_file --gpu_ids "
    "--dynamo_backend --num_gpus --num_nodes --include "
    "--exclude --hostfile"
)
SCRIPTS = frozenset(
    {"uv", "uvx", "coverage", "torchrun", "accelerate", "deepspeed", "pyinstrument", "memray", "kernprof", "viztracer",
     "debugpy"}
)  # fmt: skip
"""Those whose command may be a file in Python."""
WAITING = re.compile(r"(wait[-_]for([-_](it|port|db|postgres|\w+))?)(\.sh)?")
"""Scripts that run what follows `--` once something is there."""
_AGENTS = ("claude", "codex", "gemini", "grok", "qwen", "copilot", "codebuddy", "amp", "auggie", "droid", "kimi")
"""Agents that are told by `mcp add NAME -- COMMAND` how a server of theirs is started."""
WRAPPERS: dict[str, list[Wrapper]] = {
    "sudo": [_wrapper("-u -g -h -p -C -U -D -R -T --user --group", assignments=True)],
    "doas": [_wrapper("-u -C")],
    "env": [_wrapper("-u -C --unset --chdir", assignments=True)],
    "cross-env": [_wrapper(assignments=True)],
    "nohup": [_wrapper()],
    "exec": [_wrapper("-a")],
    "builtin": [_wrapper()],
    "time": [_wrapper("-o -f")],
    "nice": [_wrapper("-n")],
    "ionice": [_wrapper("-c -n")],
    "chronic": [_wrapper()],
    "stdbuf": [_wrapper("-i -o -e")],
    "setsid": [_wrapper()],
    "systemd-inhibit": [_wrapper("--what --who --why --mode")],
    "systemd-cat": [_wrapper("-t --identifier -p --priority --stderr-priority")],
    "systemd-run": [_wrapper("--unit -p --property --slice --uid --gid --nice -E --setenv -M --machine --description")],
    "flock": [_wrapper("-w --timeout -E --conflict-exit-code", 1)],
    "chrt": [_wrapper("-T -P -D", 1)],
    "taskset": [_wrapper(operands=1)],
    "cpulimit": [_wrapper("-l --limit -e --exe -p --pid")],
    "unbuffer": [_wrapper()],
    "timeout": [_wrapper("-s -k --signal --kill-after", 1)],
    "gtimeout": [_wrapper("-s -k --signal --kill-after", 1)],
    "screen": [_wrapper("-S -c -h -p -s -t -T -X -Logfile")],
    "xvfb-run": [_wrapper("-s -n -e -f -p -w --server-args")],
    "tini": [_wrapper("-p -e")],
    "dumb-init": [_wrapper()],
    "catatonit": [_wrapper()],
    "gosu": [_wrapper(operands=1)],
    "su-exec": [_wrapper(operands=1)],
    "s6-setuidgid": [_wrapper(operands=1)],
    "setuidgid": [_wrapper(operands=1)],
    "chpst": [_wrapper("-u -U -b -m -d -o -p -f -c -r -t -/ -n -l -L -e")],
    "with-contenv": [_wrapper()],
    "runuser": [_wrapper("-u --user -g --group -G --supp-group")],
    "authbind": [_wrapper("--depth")],
    "fakeroot": [_wrapper("-l -s -i -b")],
    "eatmydata": [_wrapper()],
    "strace": [_wrapper("-e -o -p -s -u -E -P -a -b -I -O -S -X")],
    "valgrind": [_wrapper()],
    "mpirun": [_wrapper("-n -np -c --host -host -H --hostfile -x --map-by --bind-to --mca --oversubscribe-to")],
    "mpiexec": [_wrapper("-n -np --np -ppn --ppn -d --depth --cpu-bind -host -hosts -f --hostfile")],
    "srun": [_wrapper("-n -N -c -p -t -J -w --ntasks --nodes --partition --time --job-name")],
    "torchrun": [_wrapper(_TORCHRUN)],
    "accelerate": [_wrapper(_TORCHRUN, verb=("launch",))],
    "deepspeed": [_wrapper(_TORCHRUN + " -H -i -e")],
    "pyinstrument": [_wrapper("-r --renderer -o --outfile -m -t --interval")],
    "memray": [_wrapper("-o --output", verb=("run",))],
    "kernprof": [_wrapper("-o --outfile -s --setup -p --prof-mod")],
    "viztracer": [_wrapper("-o --output_file --min_duration --max_stack_depth")],
    "debugpy": [_wrapper("--listen --connect --log-to")],
    "watchmedo": [
        _wrapper("-d --directory -p --patterns -i --ignore-patterns --interval --signal", verb=("auto-restart",))
    ],
    "setpriv": [_wrapper("--reuid --regid --groups")],
    "unshare": [_wrapper("-S --setuid -G --setgid -R --root -w --wd --propagation --map-user --map-group")],
    "dbus-run-session": [_wrapper("--config-file --dbus-daemon")],
    "linux32": [_wrapper()],
    "linux64": [_wrapper()],
    "faketime": [_wrapper(operands=1)],
    "torsocks": [_wrapper("-u -p -a -P")],
    "direnv": [_wrapper(operands=1, verb=("exec",))],
    "pixi": [_wrapper("-e --environment --manifest-path", verb=("run",))],
    "mise": [_wrapper(verb=("exec",), after_dashes=True), _wrapper(verb=("x",), after_dashes=True)],
    "chamber": [_wrapper(after_dashes=True)],
    "devbox": [_wrapper(verb=("run",), after_dashes=True)],
    "xargs": [_wrapper("-I -n -P -d -L -s -a -E --max-args --max-procs --delimiter --replace", more=True)],
    "uv": [_wrapper(_UV_RUN, verb=("run",)), _wrapper(_UV_RUN, verb=("tool", "run"))],
    "uvx": [_wrapper(_UV_RUN)],
    "pipx": [_wrapper("--python --spec", verb=("run",))],
    "poetry": [_wrapper("-C --directory -P --project", verb=("run",))],
    "pdm": [_wrapper("-p --project", verb=("run",))],
    "pipenv": [_wrapper(verb=("run",))],
    "rye": [_wrapper("--pyproject", verb=("run",))],
    "conda": [_wrapper("-n --name -p --prefix --cwd", verb=("run",))],
    "mamba": [_wrapper("-n --name -p --prefix --cwd", verb=("run",))],
    "micromamba": [_wrapper("-n --name -p --prefix --cwd", verb=("run",))],
    "coverage": [_wrapper("--rcfile --source --omit --include --data-file --context", verb=("run",))],
    "bundle": [_wrapper(verb=("exec",))],
    "npx": [_wrapper("-p --package -c --call")],
    "bunx": [_wrapper()],
    "ddtrace-run": [_wrapper()],
    "opentelemetry-instrument": [_wrapper("--traces_exporter --metrics_exporter --logs_exporter --service_name")],
    "tox": [_wrapper(after_dashes=True)],
    "doppler": [_wrapper(after_dashes=True)],
    "op": [_wrapper(after_dashes=True)],
    "infisical": [_wrapper(after_dashes=True)],
    "aws-vault": [_wrapper(after_dashes=True)],
    "dotenv": [_wrapper(after_dashes=True)],
    "dockerize": [_wrapper("-wait -timeout -template -wait-retry-interval -stdout -stderr")],
    "env-cmd": [_wrapper("-f --file -e --environments -r --rc-file")],
    "pulumi": [_wrapper(after_dashes=True)],
    **{each: [_wrapper(verb=("mcp", "add"), after_dashes=True)] for each in _AGENTS},
    "sops": [_wrapper(after_dashes=True)],
}
