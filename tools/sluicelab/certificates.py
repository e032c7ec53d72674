"""The lab's CA, and certificates of it: made by the openssl command, valid for a month."""

import subprocess
from pathlib import Path

from . import layout
from .process import LabError

NAMES = ("echo.lab", "*.apps.lab")
POD_NAME = "pods.lab"
DAYS = "30"


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise LabError(f"openssl {' '.join(words)}:\n{done.stdout}")


def _request(name: str, kind: str) -> list:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ecdsa" else ["-newkey", "rsa:2048"]
    return ["req", "-new", "-nodes", *key, "-subj", f"/CN={name}"]


def make_ca(directory: Path, name: str = "sluice lab CA") -> dict:
    """The paths of its certificate and key."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {"ca": directory / "ca.pem", "ca_key": directory / "ca.key"}
    _openssl(*_request(name, "ecdsa"), "-x509", "-days", DAYS, "-addext", "keyUsage=critical,keyCertSign,cRLSign",
             "-keyout", str(paths["ca_key"]), "-out", str(paths["ca"]))
    paths["ca_key"].chmod(0o600)
    return paths


def issue(directory: Path, stem: str, names: tuple, kind: str = "ecdsa", usage: str = "serverAuth") -> dict:
    """A certificate of the CA in the same directory, for these DNS names and URIs; the paths of certificate and key."""
    paths = {"certificate": directory / f"{stem}.pem", "key": directory / f"{stem}.key"}
    request, extensions = directory / f"{stem}.csr", directory / f"{stem}.ext"
    extensions.write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=" + usage + "\nsubjectAltName="
                          + ",".join(f"{'URI' if '://' in name else 'DNS'}:{name}" for name in names) + "\n")
    _openssl(*_request(names[0], kind), "-keyout", str(paths["key"]), "-out", str(request))
    _openssl("x509", "-req", "-in", str(request), "-CA", str(directory / "ca.pem"), "-CAkey", str(directory / "ca.key"),
             "-days", DAYS, "-extfile", str(extensions), "-out", str(paths["certificate"]))
    paths["key"].chmod(0o600)
    for leftover in (request, extensions):
        leftover.unlink()
    return paths


def _lab_ca() -> dict:
    """Made by the first who asks: a lab has one CA."""
    paths = {"ca": layout.TLS_DIR / "ca.pem", "ca_key": layout.TLS_DIR / "ca.key"}
    return paths if paths["ca"].exists() else make_ca(layout.TLS_DIR)


def make_for_pods() -> dict:
    """For `tools/lab up --pods-tls`: one certificate that all pods share."""
    ca = _lab_ca()
    pair = issue(layout.TLS_DIR, "pods", (POD_NAME,))
    return {"ca": str(ca["ca"]), "expected": POD_NAME, **{part: str(path) for part, path in pair.items()}}


def make_all() -> dict:
    """For `tools/lab up --tls`: the paths, as `status --json` shows them."""
    ca = _lab_ca()
    pairs = [issue(layout.TLS_DIR, f"server-{kind}", NAMES, kind) for kind in ("ecdsa", "rsa")]
    return {"ca": str(ca["ca"]), "ca_key": str(ca["ca_key"]), "port": layout.TLS_PORT, "names": list(NAMES),
            "certificates": [{part: str(path) for part, path in pair.items()} for pair in pairs]}
