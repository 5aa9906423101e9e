"""Where the programs of pods listen, as far as pods, images and the sources of images tell."""

from __future__ import annotations

import posixpath
import re

from sophia_preflight.calls.entering import NamedImages
from sophia_preflight.clusters.cluster import Scope, equal_labels
from sophia_preflight.clusters.objects import Item, Pod
from sophia_preflight.clusters.told import told
from sophia_preflight.context import Context
from sophia_preflight.ports.defaults import default_port
from sophia_preflight.ports.listening import Ports, is_said, of_image, started
from sophia_preflight.readers.tree import Node


class Programs:
    """Where the programs of pods listen: by what a pod tells them, or the Dockerfile of their image."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.images = NamedImages(context)
        self.known: dict[int, Ports] = {}

    def ports(self, pod: Pod) -> Ports:
        """The ports of the one container of a pod; none where there are several, or nobody can tell."""
        if id(pod) not in self.known:
            self.known[id(pod)] = self._ports(pod.containers[0].node) if len(pod.containers) == 1 else Ports()
        return self.known[id(pod)]

    def _ports(self, node: Node) -> Ports:
        environment = {each["name"].text: each["value"].text for each in node["env"].elements()}
        if node["envFrom"].elements() or any(each["valueFrom"] for each in node["env"].elements()):
            environment["PORT"] = ""
        words = [each.text for key in ("command", "args") for each in node[key].elements()]
        text = " ".join([*words, *environment.values()])
        if words:
            told = started(" ".join(words), environment)
            usual = default_port(" ".join(words), environment, self.context.repository)
            return Ports(started=told or ({usual} if usual else set()), words=text)
        found = self.images.find(node["image"].text)
        return of_image(*found, environment) if found is not None and environment.get("PORT") != "" else Ports()

    def is_ours(self, image: str) -> bool:
        """Whether an image is built from this repository: one that a build names, or of the name of its project."""
        if self.images.find(image) is not None:
            return True
        projects = {posixpath.basename(name) for name in self.context.built.go.modules}
        projects |= {each.name for each in self.context.modules.projects.by_directory.values() if each.name}
        words = {*re.split(r"[/:@_-]", image), *re.split(r"[/:@]", image), *re.split(r"[/:@]", image.replace("-", "_"))}
        return any(len(name) > 3 and name in words for name in projects)

    def is_nowhere(self, port: Node, path: str) -> bool:
        """Whether nothing else in the repository speaks of a port."""
        return port.text.isdigit() and not is_said(self.context, port.text, port.place(path))


def is_exposed(context: Context, service: Item, scope: Scope) -> bool:
    """Whether a service hands on to a name, or to a port that some image of the repository exposes and that its pods,
    which are told none, may well listen to."""
    targets = {each["targetPort"].text or each["port"].text for each in service.node["spec"]["ports"].elements()}
    if not all(each.isdigit() for each in targets):
        return True
    pods = scope.matching(equal_labels(service.node["spec"]["selector"]) or {}, service.namespace)
    if pods and all(told(pod, each, scope) for pod in pods for each in pod.containers):
        return False
    exposed = {
        port
        for made in context.dockerfiles.values()
        for stage in made.stages
        for instruction in stage.instructions
        if instruction.name == "EXPOSE"
        for port in re.findall(r"\d+", instruction.flat)
    }
    return bool(targets & exposed)
