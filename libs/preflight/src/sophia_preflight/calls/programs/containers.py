"""docker and podman, Compose and stacks: images that are built, services that are started, commands inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sophia_preflight.calls.model import (
    Composition,
    ImageBuild,
    Inside,
    Needed,
    Program,
    Started,
    System,
)
from sophia_preflight.calls.options import part
from sophia_preflight.calls.running import URL, Reader, Run
from sophia_preflight.text import CWD, MANY, UNKNOWN, Word, is_known, joined, named

_COMPOSE = named(
    "-f --file -p --project-name --project-directory --env-file --profile --ansi --progress --parallel --context "
    "-H --host -c --log-level"
)
_BUILD = named(
    "-f --file -t --tag --build-arg --target --platform --cache-from --cache-to --label --network --secret --ssh "
    "--output -o --progress --builder --iidfile --metadata-file --add-host --build-context --memory -m --shm-size "
    "--ulimit --attest --provenance --sbom --cpu-shares --cpuset-cpus --isolation --annotation --format "
    "--storage-opt --security-opt --volume -v --device --cap-add --cap-drop --runtime --arch --os --authfile --jobs "
    "--pull-policy --ignorefile --userns --timestamp --manifest --layer-label --allow --call --sbom-output"
)
_GLOBAL = named("-H --host -c --context -l --log-level --config --snapshotter --namespace --address --data-root")
_BAKE = named("-f --file --set --builder --progress --metadata-file --call --allow --var --sbom --provenance --list")
_RUN = named(
    "-e --env --env-file -v --volume --mount -p --publish --name -w --workdir -u --user --network --net -h "
    "--hostname --entrypoint --platform -l --label --add-host --restart --memory -m --cpus --gpus --shm-size "
    "--ulimit --cap-add --cap-drop --device --tmpfs --dns --link --pid --ipc --log-driver --log-opt "
    "--security-opt --volumes-from --pull --health-cmd --health-interval --health-retries --health-timeout "
    "--network-alias --ip --ip6 --cidfile --expose --stop-signal --stop-timeout --userns --runtime --group-add "
    "--cgroupns --cgroup-parent --sysctl --domainname --mac-address --annotation --label-file --uts --isolation "
    "--memory-swap --memory-swappiness --memory-reservation --cpu-shares -c --cpu-quota --cpu-period --cpuset-cpus "
    "--cpuset-mems --blkio-weight --oom-score-adj --pids-limit --storage-opt --volume-driver --dns-search "
    "--dns-option --dns-opt --health-start-period --health-start-interval -a --attach --detach-keys"
)


_INSIDE = named(
    "-e --env -v --volume -w --workdir -u --user --entrypoint --name -p --publish -l --label --index --cap-add --pull"
)
"""Options with values of `compose run` and `compose exec`."""


def _docker(words: Sequence[Word], run: Run) -> None:
    parted = part(words[1:], _GLOBAL, stop=True)
    rest = parted.rest
    verbs = [word.value for word in rest[:2]]
    if verbs[:1] == ["build"] or (words[0].value == "buildah" and verbs[:1] in (["bud"], ["build-using-dockerfile"])):
        _image_build(rest[1:], words, run)
    elif verbs == ["buildx", "bake"]:
        run.call(Program(words[0], tuple(words[1:])), words)
        for word in part(rest[2:], _BAKE).all("-f", "--file"):
            if word.known and not URL.match(word.value) and word.value != "-":
                run.call(Needed(word, "the definitions that bake builds by"), words)
    elif verbs in (["buildx", "build"], ["image", "build"], ["builder", "build"], ["buildx", "b"]):
        _image_build(rest[2:], words, run)
    elif verbs[:1] == ["compose"]:
        _composition(rest[1:], words, run)
    elif verbs in (["stack", "deploy"], ["stack", "up"], ["stack", "config"]):
        _stack(rest[2:], words, run)
    elif verbs[:1] == ["run"] or verbs == ["container", "run"]:
        _container_run(rest[1 if verbs[0] == "run" else 2 :], words, run)
    elif verbs[:1] == ["exec"] or verbs == ["container", "exec"]:
        inner = part(rest[1 if verbs[0] == "exec" else 2 :], _RUN, stop=True).rest
        run.at(system=System.UNKNOWN, directory=UNKNOWN).deeper().command(inner[1:])
    elif verbs in (["secret", "create"], ["config", "create"], ["network", "create"], ["volume", "create"]):
        run.call(Program(words[0], tuple(words[1:])), words)
        source = part(rest[2:], named("-l --label -d --driver --opt -o --subnet"))
        if verbs[0] in ("secret", "config") and len(source.operands) > 1 and source.operands[1].value != "-":
            run.call(Needed(source.operands[1], f"the content of the {verbs[0]}"), words)
    else:
        run.call(Program(words[0], tuple(words[1:])), words)


def _image_build(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, _BUILD)
    plain = [word for word in parted.operands if word.value and not word.many]
    operands = plain or [word for word in parted.operands if word.value]
    file = parted.first("-f", "--file")
    told = file is not None and file.value == "-"
    if len(operands) != 1 or told or operands[0].value == "-" or URL.match(operands[0].value) or operands[0].many:
        run.call(Program(words[0], tuple(words[1:])), words)
        return
    build = ImageBuild(
        operands[0],
        file,
        parted.first("--target"),
        tuple(parted.all("--build-arg")),
        tuple(parted.all("-t", "--tag")),
    )
    run.call(build, words)


def _compose_program(words: Sequence[Word], run: Run) -> None:
    _composition(words[1:], words, run)


def _composition(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, _COMPOSE, stop=True)
    inner = parted.rest
    verb = inner[0].value if inner else ""
    base = parted.first("--project-directory")
    if verb in ("version", "ls", "") or not is_known(verb):
        return
    inside_of = verb in ("run", "exec")
    tail = part(
        inner[1:],
        _INSIDE
        if inside_of
        else named(
            "-e --env -v --volume -w --workdir -u --user --entrypoint --name -p --publish -t --timeout --scale "
            "--tail --since --until --wait-timeout --pull --build-arg --index --format --progress "
            "--exit-code-from --attach -n --no-attach -l --label --signal -s --policy --rmi -o --output --memory "
            "-m --cap-add --filter --status --hash"
        ),
        stop=inside_of,
    )
    operands = tail.rest if inside_of else tail.operands
    services = tuple(operands[:1] if inside_of else operands)
    partial = any(word.value != MANY for word in services)  # `up "$@"` without an argument starts all
    if any(not word.known for word in services):
        services = ()
    composed = Composition(
        tuple(parted.all("-f", "--file")),
        False,
        verb,
        services if verb not in ("config", "convert", "cp", "port", "images", "events", "top", "scale") else (),
        joined(run.site.directory, base.value) if base else None,
        tuple(parted.all("--env-file")),
        partial,
        tuple(parted.all("--profile")),
    )
    run.call(composed, words)
    entry = tail.first("--entrypoint")
    if inside_of and (len(operands) > 1 or (entry is not None and operands)):
        at = composed if entry is None else replace(composed, verb="exec")  # past the entrypoint of the image
        inside = Inside(at, run.site.directory, operands[0].value) if operands[0].known else None
        site = run.at(system=System.IMAGE, directory=CWD, image="", inside=inside, search=())
        site.deeper().command([*([entry] if entry is not None else []), *operands[1:]])


def _stack(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, frozenset(("-c", "--compose-file", "--resolve-image", "--orchestrator")))
    files = tuple(parted.all("-c", "--compose-file"))
    if files and not any(word.value == "-" for word in files):
        run.call(Composition(files, True, "deploy"), words)


def _container_run(rest: Sequence[Word], words: Sequence[Word], run: Run) -> None:
    parted = part(rest, _RUN, stop=True)
    for word in parted.all("--env-file"):
        run.call(Needed(word, "the environment file of the container"), words)
    if not parted.rest:
        return
    image, arguments, entry = parted.rest[0], parted.rest[1:], parted.first("--entrypoint")
    published, variables = parted.all("-p", "--publish"), parted.all("-e", "--env", "--env-file")
    mounts = parted.all("-v", "--volume", "--mount")
    run.call(Started(image, tuple(arguments), entry, tuple(published), tuple(variables), tuple(mounts)), words)
    if command := [*([entry] if entry is not None else []), *arguments]:
        run.at(system=System.UNKNOWN, directory=UNKNOWN).deeper().command(command)


READERS: dict[str, Reader] = {
    **dict.fromkeys(("docker-compose", "podman-compose"), _compose_program),
    **dict.fromkeys(("docker", "podman", "nerdctl", "buildah"), _docker),
}
