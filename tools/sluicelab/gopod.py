"""The lab's pod and client in Go. Built here and not by meson: only end-to-end tests use them, and nobody else should need a Go compiler."""

import os
import shutil
import subprocess
from pathlib import Path

from . import layout
from .process import LabError

SOURCES = layout.REPOSITORY / "tools" / "apps"
LIBRARIES = "/usr/share/gocode"  # where Debian's golang-*-dev packages put them


def binary() -> Path:
    return layout.build_dir() / "go" / "sluice-go-pod"


def client_binary() -> Path:
    return layout.build_dir() / "go" / "sluice-go-client"


def build() -> Path:
    """Some seconds the first time; then the compiler's cache knows. The path of the pod."""
    if shutil.which("go") is None:
        raise LabError("the pod in Go takes the Debian packages of tests/packages.txt")
    path = layout.build_dir() / "go"
    package = path / "src" / "sluicelab" / "echo"
    package.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{path}:{LIBRARIES}", "GOCACHE": str(path / "cache"),
                   "GOFLAGS": ""}
    for command in (["protoc", f"--go_out=plugins=grpc:{package}", f"--proto_path={SOURCES}", "echo.proto"],
                    ["go", "build", "-o", str(binary()), str(SOURCES / "pod.go")],
                    ["go", "build", "-o", str(client_binary()), str(SOURCES / "client.go")]):
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
    return binary()
