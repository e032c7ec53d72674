"""A small API server: EndpointSlices, Services and Nodes that are listed, watched, read, written and deleted, with tokens, TLS, conflicts,
the sub-resource `status`, and faults on request.

Answers are those of a real server (tests/discovery/kubernetes/recordings), as far as EndpointSlices are concerned."""

import base64
import bisect
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

SLICES, SERVICES, NODES = "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/services", "/api/v1/nodes"
KINDS = {SLICES: {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1"}, SERVICES: {"kind": "Service", "apiVersion": "v1"},
         NODES: {"kind": "Node", "apiVersion": "v1"}}
BOOKMARK_SECONDS = 5.0


class Cut(Exception):
    """The connection ends here, without a word."""


class Place(NamedTuple):
    key: tuple  # (path of the kind, namespace, name)
    status: bool

    @property
    def name(self) -> str:
        return self.key[2]


def place_of(path: str) -> Optional[Place]:
    """Of an object, or of the objects of a namespace or kind, whose name is empty; None: there is no such kind."""
    for kind in KINDS:
        base, _, plural = kind.rpartition("/")
        found = re.fullmatch(f"{base}(?:/namespaces/([^/]+))?/{plural}(?:/([^/]+)(/status)?)?", path)
        if found:
            return Place((kind, found[1] or "", found[2] or ""), bool(found[3]))
    return None


def refusal(code: int, reason: str, message: str) -> tuple:
    return code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason,
                  "code": code}


class Api:
    """Listens from construction to stop(). Methods may be called from any thread."""

    def __init__(self, address: str, scratch: Path, port: int = 0) -> None:
        self.token = "first-token"
        self.page: Optional[int] = None  # objects of a page, whatever the client asks for
        self.fault: Optional[str] = None  # refuse, garbage, half, slow, gone, error: of every answer
        self.requests: list = []
        self.sent: dict = {}  # by name of an object: when its events were written to a watch's socket, by time.time()
        self._news = threading.Condition()
        self._version = 100
        self._oldest = 100  # a watch from an older version is told 410
        self._objects: dict = {}  # by (path of its kind, namespace, name)
        self._events: list = []  # (version, type, object, path)
        self.forbidden: set = set()  # paths
        self._connections: set = set()
        self._certificate = scratch / "api.crt"
        self._key = scratch / "api.key"
        self._scratch = scratch
        self._address = address
        if not self._certificate.exists():
            make_certificate(self._certificate, self._key, address)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self._certificate, self._key)
        self._listener: Optional[socket.socket] = None
        self.port = port
        self.start()

    # The server's life.

    def start(self) -> None:
        listener = socket.create_server(("", self.port), backlog=64)  # the address comes with the lab
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """As kill -9 would: connections break off."""
        listener, self._listener = self._listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.break_connections()

    def break_connections(self) -> None:
        with self._news:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def kubeconfig(self, token: Optional[str] = None) -> Path:
        """A file that leads here."""
        authority = base64.b64encode(self._certificate.read_bytes()).decode()
        path = self._scratch / "kubeconfig"
        path.write_text(f"""\
apiVersion: v1
kind: Config
current-context: test
contexts:
- name: test
  context: {{cluster: test, user: sluice}}
clusters:
- name: test
  cluster:
    server: https://{self._address}:{self.port}
    certificate-authority-data: {authority}
users:
- name: sluice
  user:
    token: {token or self.token}
""")
        return path

    def service_account(self) -> Path:
        """The directory that a pod would have; write_token() rotates the token."""
        directory = self._scratch / "serviceaccount"
        directory.mkdir(exist_ok=True)
        (directory / "ca.crt").write_bytes(self._certificate.read_bytes())
        self.write_token()
        return directory

    def write_token(self) -> None:
        fresh = self._scratch / "serviceaccount" / "token.new"
        fresh.write_text(self.token)
        fresh.rename(fresh.with_name("token"))

    # Its objects.

    def put(self, name: str, service: str, endpoints: Optional[list], ports: Optional[list] = None, namespace: str = "default") -> None:
        """Adds or replaces an EndpointSlice. endpoints: as endpoint() makes them."""
        self._put(SLICES, name, {"kubernetes.io/service-name": service}, namespace, {
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": ports if ports is not None else [{"name": "grpc", "protocol": "TCP", "port": 50051}]})

    def put_external(self, name: str, host: str, ports: Optional[list] = None, namespace: str = "default") -> None:
        """Adds or replaces a Service of type ExternalName."""
        self._put(SERVICES, name, {}, namespace, {"spec": {"type": "ExternalName", "externalName": host, "ports": ports}})

    def put_node(self, name: str, address: str, networks: list) -> None:
        self._put(NODES, name, {}, "", {"spec": {"podCIDR": networks[0], "podCIDRs": networks}, "status": {"addresses": [
            {"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]}})

    def _put(self, path: str, name: str, labels: dict, namespace: str, content: dict) -> None:
        with self._news:
            known = self._objects.get((path, namespace, name))
            self._version += 1
            metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(self._version), "labels": labels}
            if namespace:
                metadata["namespace"] = namespace
            self._objects[(path, namespace, name)] = {**KINDS[path], "metadata": metadata, **content}
            self._tell("MODIFIED" if known else "ADDED", self._objects[(path, namespace, name)], path)

    def put_raw(self, name: str, change: Callable[[dict], None], namespace: str = "default") -> None:
        """Changes an object in a way that the API would not allow."""
        with self._news:
            self._version += 1
            changed = json.loads(json.dumps(self._objects[(SLICES, namespace, name)]))
            changed["metadata"]["resourceVersion"] = str(self._version)
            change(changed)
            self._objects[(SLICES, namespace, name)] = changed
            self._tell("MODIFIED", changed)

    def delete(self, name: str, namespace: str = "default", path: str = SLICES) -> None:
        with self._news:
            self._version += 1
            gone = self._objects.pop((path, namespace, name))
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._tell("DELETED", gone, path)

    def compact(self) -> None:
        """Forgets the past, as etcd does: watches from there are told 410, and running ones end."""
        with self._news:
            self._version += 1
            self._oldest = self._version
            self._events.clear()
        self.break_connections()

    def _tell(self, kind: str, thing: dict, path: str = SLICES) -> None:
        self._events.append((self._version, kind, json.loads(json.dumps(thing)), path))
        self._news.notify_all()

    # Requests.

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with self._news:
            self._connections.add(plain)
        connection = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._context.wrap_socket(plain, server_side=True)
            with self._news:
                self._connections.add(connection)
                self._connections.discard(plain)
            reader = connection.makefile("rb")
            while True:
                line = reader.readline().decode()
                if not line:
                    return
                headers = {}
                while (header := reader.readline().decode().strip()):
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = reader.read(int(headers.get("content-length", 0)))
                self._answer(connection, line.split()[0], line.split()[1], headers, body)
        except (OSError, ValueError, Cut):
            pass
        finally:
            with self._news:
                self._connections -= {plain, connection}
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def _answer(self, connection: socket.socket, method: str, target: str, headers: dict, body: bytes) -> None:
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self.requests.append((url.path, query, time.monotonic()))
        if headers.get("authorization") != f"Bearer {self.token}":
            self._refuse(connection, 401, "Unauthorized", "Unauthorized")
        elif self.fault == "refuse":
            self._refuse(connection, 503, "ServiceUnavailable", "the server is currently unable to handle the request")
        elif (place := place_of(url.path)) and (method != "GET" or place.name):
            self._send(connection, *self._use(method, place, body))
        elif url.path not in KINDS:
            self._refuse(connection, 404, "NotFound", "the server could not find the requested resource")
        elif url.path in self.forbidden:
            self._refuse(connection, 403, "Forbidden", f"{url.path.rsplit('/', 1)[1]} is forbidden: cannot list resource")
        elif "watch" in query:
            self._watch(connection, url.path, int(query["resourceVersion"]), float(query.get("timeoutSeconds", 3600)))
        else:
            self._list(connection, url.path, query)

    def _refuse(self, connection: socket.socket, code: int, reason: str, message: str) -> None:
        self._send(connection, *refusal(code, reason, message))

    def _use(self, method: str, place: "Place", body: bytes) -> tuple:
        """GET, POST, PUT and DELETE of one object, as the API's optimistic concurrency has it: the code and the answer."""
        with self._news:
            known = self._objects.get(place.key)
            name = place.key[2]
            if method == "POST":
                fresh = json.loads(body)
                name = fresh["metadata"]["name"]
                place = place._replace(key=(*place.key[:2], name))
                known = self._objects.get(place.key)
                if known:
                    return refusal(409, "AlreadyExists", f'"{name}" already exists')
                if fresh["metadata"].get("resourceVersion"):
                    return refusal(400, "BadRequest", "resourceVersion should not be set on objects to be created")
                fresh["metadata"].setdefault("uid", f"uid-{name}")
                return 201, self._store(place.key, fresh, "ADDED")
            if known is None:
                return refusal(404, "NotFound", f'"{name}" not found')
            if method == "GET":
                return 200, known
            if method == "DELETE":
                self._version += 1
                gone = self._objects.pop(place.key)
                gone["metadata"]["resourceVersion"] = str(self._version)
                self._tell("DELETED", gone, place.key[0])
                return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            if method != "PUT":
                return refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            fresh = json.loads(body)
            version = fresh["metadata"].get("resourceVersion")
            if version and version != known["metadata"]["resourceVersion"]:
                return refusal(409, "Conflict", f'Operation cannot be fulfilled on "{name}": the object has been modified; '
                                                "please apply your changes to the latest version and try again")
            # The sub-resource changes the status alone, and the object itself everything but the status.
            part, whole = (fresh, known) if place.status else (known, fresh)
            changed = {key: value for key, value in whole.items() if key != "status"}
            if "status" in part:
                changed["status"] = part["status"]
            changed["metadata"] = {**changed["metadata"], "name": name, "uid": known["metadata"]["uid"]}
            return 200, self._store(place.key, changed, "MODIFIED")

    def _store(self, key: tuple, content: dict, kind: str) -> dict:
        self._version += 1
        metadata = {**content["metadata"], "resourceVersion": str(self._version)}
        if key[1]:
            metadata["namespace"] = key[1]
        self._objects[key] = {**content, **KINDS[key[0]], "metadata": metadata}
        self._tell(kind, self._objects[key], key[0])
        return self._objects[key]

    def _send(self, connection: socket.socket, code: int, body: dict) -> None:
        text = json.dumps(body).encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode()
        if self.fault == "garbage":
            text = b"\x00{" + text[2:]
        if self.fault == "half":
            connection.sendall(head + text[:len(text) // 2])
            raise Cut
        if self.fault == "slow":
            connection.sendall(head)
            for at in range(len(text)):
                time.sleep(0.05)
                connection.sendall(text[at:at + 1])
            return
        connection.sendall(head + text)

    def _list(self, connection: socket.socket, path: str, query: dict) -> None:
        with self._news:
            version = self._version
            objects = [self._objects[key] for key in sorted(self._objects) if key[0] == path]
        start = 0
        if "continue" in query:
            asked, _, at = query["continue"].partition("/")
            start = int(at)
            if int(asked) < self._oldest:
                return self._refuse(connection, 410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
            version = int(asked)
        limit = self.page or int(query.get("limit", 500))
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(objects):
            metadata["continue"] = f"{version}/{start + limit}"
        self._send(connection, 200, {"kind": KINDS[path]["kind"] + "List", "apiVersion": KINDS[path]["apiVersion"], "metadata": metadata,
                                     "items": objects[start:start + limit] or None})

    def _watch(self, connection: socket.socket, path: str, seen: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        bookmark = time.monotonic() + BOOKMARK_SECONDS
        while time.monotonic() < until:
            with self._news:
                if self.fault == "gone" or seen < self._oldest:
                    error = {"kind": "Status", "status": "Failure", "message": f"too old resource version: {seen} ({self._version})",
                             "reason": "Expired", "code": 410}
                    break
                fresh = self._events[bisect.bisect_right(self._events, seen, key=lambda event: event[0]):]
                if not fresh:
                    self._news.wait(min(bookmark, until) - time.monotonic())
            for version, kind, thing, of in fresh:
                if of == path:
                    self._event(connection, {"type": kind, "object": thing})
                    self.sent.setdefault(thing["metadata"]["name"], []).append(time.time())
                seen = version
            if time.monotonic() >= bookmark:
                bookmark += BOOKMARK_SECONDS
                self._event(connection, {"type": "BOOKMARK", "object": {**KINDS[path], "metadata": {"resourceVersion": str(seen)}}})
        else:
            connection.sendall(b"0\r\n\r\n")
            return
        self._event(connection, {"type": "ERROR", "object": error})
        connection.sendall(b"0\r\n\r\n")

    def _event(self, connection: socket.socket, event: dict) -> None:
        text = json.dumps(event).encode() + b"\n"
        if self.fault == "garbage":
            text = text[:20] + b"\x00\xff" + text[20:]
        whole = b"%x\r\n%s\r\n" % (len(text), text)
        if self.fault == "half":
            connection.sendall(whole[:len(whole) // 2])
            raise Cut
        if self.fault == "slow":
            half = len(whole) // 2
            connection.sendall(whole[:half])
            time.sleep(0.5)
            whole = whole[half:]
        connection.sendall(whole)


def endpoint(address: str, uid: str, ready: Optional[bool] = True, serving: Optional[bool] = None,
             terminating: Optional[bool] = None) -> dict:
    """Conditions that are None are left out."""
    given = {"ready": ready, "serving": serving, "terminating": terminating}
    return {"addresses": [address], "conditions": {key: value for key, value in given.items() if value is not None},
            "targetRef": {"kind": "Pod", "name": uid, "namespace": "default", "uid": uid}}


def make_certificate(certificate: Path, key: Path, address: str) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=api", "-addext", f"subjectAltName=IP:{address}"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
