"""What tools/demo and tools/test do before they can begin: install Debian packages, build."""

import json
import os
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from . import layout
from .process import LabError

PACKAGE_LIST = layout.REPOSITORY / "tools" / "packages.txt"
# Up to fifteen sources of a target are compiled as one: headers are read once for all of them, which more than halves the
# compiler's time. For builds that nobody changes a line in. File-local names of a target must differ for it; tools/check --all reads sources likewise.
TOGETHER = ("-Dunity=on", "-Dunity_size=15")
# For a directory that tools/test makes: names of functions and lines, without a debugger's types, which take a third
# of the compiler's time. The sources of src/ stay apart: each proves that its header compiles alone.
QUICKLY = ("-Dtests_together=true", "-Dcpp_args=-g1")
# For a directory that tools/demo makes, which proves nothing about headers. gcc's warnings bear six sources as one.
FOR_USE = ("-Dunity=on", "-Dunity_size=6", "-Dcpp_args=-g1")
INSTALL_ATTEMPTS = 2  # mirrors have bad moments

# What the lab runs, for those who need no unit tests.
LAB_TARGETS = ("src/sluiced", "tools/sluicectl", "tools/apps/sluice-pod", "tools/apps/sluice-client")


def _wanted(lists: Sequence[Path]) -> list:
    lines = (line.split("#")[0].strip() for path in lists for line in path.read_text().splitlines())
    return [line for line in lines if line]


def _missing(wanted: Sequence[str]) -> list:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def install_packages(*more: Path) -> None:
    """Those of tools/packages.txt, and of further lists."""
    missing = _missing(_wanted((PACKAGE_LIST, *more)))
    if not missing:
        return
    print("installing " + " ".join(missing), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["-y", "--no-install-recommends", "install", *missing]):
        command = ["apt-get", "-qq", "-o", "Acquire::Retries=3", *words]
        if not any(subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode == 0 for _ in range(INSTALL_ATTEMPTS)):
            raise LabError(f"apt-get {' '.join(words[:3])} failed: are these packages to be had? {' '.join(missing)}")


def configure(directory: Path, options: Sequence[str] = (), compilers: Mapping[str, str] = {}) -> None:
    """compilers: CC and CXX, where they are not the machine's own."""
    if not (directory / "build.ninja").exists():
        _run(["meson", "setup", *options, str(directory), str(layout.REPOSITORY)], compilers)


def build(directory: Path, targets: Sequence[str] = (), options: Sequence[str] = ()) -> None:
    """Configures the build directory if it is new, and builds the targets, or everything."""
    configure(directory, options)
    _run(["ninja", "-C", str(directory), *targets])


def targets_without(directory: Path, left_out: Sequence[Path]) -> list:
    """Of a configured build directory: all that a build makes but these executables."""
    known = json.loads((directory / "meson-info" / "intro-targets.json").read_text())
    made = [Path(name) for target in known if target["build_by_default"] for name in target["filename"]]
    return [str(path.relative_to(directory)) for path in made if path not in left_out]


def _run(command: Sequence[str], more: Mapping[str, str] = {}) -> None:
    # Not what a user's PATH may put before them: meson's modules belong to Debian's Python.
    environment = {**os.environ, **more, "PATH": "/usr/bin:" + os.environ["PATH"]}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed:\n{done.stdout[-6000:]}")
