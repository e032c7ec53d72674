"""Servers that people run, as pods of HTTP/1.1 in the lab: nginx, Apache, HAProxy, Node, Python's http.server.

Each of them serves the same files, and /name says its name. They live in the pods' network until their block ends."""

import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import Optional

from scripted import inside
from support import layout, process

START_SECONDS = 15
BIG = 2_000_000  # bytes of /big
NODE_MODULES = "/usr/share/nodejs"  # of Debian
MODULES = "/usr/lib/apache2/modules"  # of Debian's Apache


def free_port() -> int:
    with inside(layout.SOUTH_NAMESPACE), socket.create_server((layout.BRIDGE_ADDRESS, 0)) as probe:
        return probe.getsockname()[1]


class Server:
    """A server that runs in a directory of its own. `files` is what it serves, `log` what it wrote."""

    name = ""
    program = ""  # that has to be installed

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"{layout.BRIDGE_ADDRESS}:{self.port}"

    @classmethod
    def installed(cls) -> bool:
        return shutil.which(cls.program) is not None

    def command(self) -> list:
        raise NotImplementedError

    def __enter__(self) -> "Server":
        self.scratch = Path(tempfile.mkdtemp())
        self.scratch.chmod(0o755)
        self.files = self.scratch / "files"
        self.files.mkdir()
        (self.files / "name").write_text(self.name)
        (self.files / "big").write_bytes(os.urandom(BIG))
        (self.files / "words").write_text("words " * 100_000)
        self.log = self.scratch / "log"
        self.pid: Optional[int] = process.spawn(layout.SOUTH_NAMESPACE, self.command(), self.log,
                                                {"NODE_PATH": NODE_MODULES, "LANG": "C"})
        if not process.wait_until(self.listens, START_SECONDS):
            said = process.tail(self.log)
            self.__exit__()
            raise AssertionError(f"{self.name} does not listen:\n{said}")
        return self

    def __exit__(self, *_) -> None:
        process.kill(self.pid)
        shutil.rmtree(self.scratch)

    @property
    def requests(self) -> Path:
        """A file with a line for each request, which begins with method and target."""
        return self.scratch / "access.log"

    def listens(self) -> bool:
        try:
            with inside(layout.SOUTH_NAMESPACE), socket.create_connection((layout.BRIDGE_ADDRESS, self.port), timeout=1):
                return True
        except OSError:
            return False

    def write(self, name: str, text: str) -> str:
        """A file of its own; the path."""
        path = self.scratch / name
        path.write_text(text)
        return str(path)


class Nginx(Server):
    name, program = "nginx", "nginx"

    def __init__(self, keys: str = "", http2: bool = False) -> None:
        """`keys` are further directives of its http block. http2: over cleartext, by prior knowledge."""
        super().__init__()
        self.keys = keys
        self.listen = self.endpoint + (" http2" if http2 else "")

    def command(self) -> list:
        temporary = "".join(f"{kind}_temp_path {self.scratch}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return ["nginx", "-e", "stderr", "-c", self.write("nginx.conf", f"""
daemon off;
user root;
worker_processes 1;
pid {self.scratch}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
{temporary}
log_format requests escape=none '$request';
access_log {self.requests} requests;
default_type text/plain;
gzip on;
gzip_types text/plain;
gzip_proxied any;
client_max_body_size 0;
{self.keys}
server {{
  listen {self.listen};
  root {self.files};
  location /204 {{ return 204; }}
  location /500 {{ return 500; }}
  location /302 {{ return 302 /name; }}
}}
}}
""")]

    def reload(self) -> None:
        """In nginx's graceful way: new workers, and the old ones end with their last exchange."""
        os.kill(int((self.scratch / "nginx.pid").read_text()), signal.SIGHUP)


class Apache(Server):
    name, program = "apache", "apache2"

    def command(self) -> list:
        modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "alias", "deflate", "filter"))
        return ["apache2", "-X", "-f", self.write("apache.conf", f"""
{modules}
ServerRoot {self.scratch}
DefaultRuntimeDir {self.scratch}
PidFile {self.scratch}/apache.pid
Listen {self.endpoint}
ServerName pod
ErrorLog /dev/stderr
CustomLog {self.requests} "%r"
User www-data
Group www-data
DocumentRoot {self.files}
Redirect 204 /204
Redirect 500 /500
<Location /words>
SetOutputFilter DEFLATE
</Location>
""")]


class HAProxy(Server):
    """In front of another server, as a sidecar is."""

    name, program = "haproxy", "haproxy"

    def __init__(self, behind: Server) -> None:
        super().__init__()
        self.behind = behind

    def command(self) -> list:
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", f"""
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind {self.endpoint}
  http-request return status 200 content-type text/plain string {self.name} if {{ path /name }}
  default_backend back
backend back
  server one {self.behind.endpoint}
""")]


class Python(Server):
    """Python's http.server, which answers in HTTP/1.0."""

    name, program = "python", "python3"

    def command(self) -> list:
        return ["/usr/bin/python3", "-m", "http.server", "--bind", layout.BRIDGE_ADDRESS, "-d", str(self.files), str(self.port)]


class Node(Server):
    """Answers a body with itself in chunks, and trailers, and other requests with files. It speaks WebSocket where `ws` is installed.
    It writes a line with method and target for each request."""

    name, program = "node", "node"
    @property
    def requests(self) -> Path:
        return self.log

    SCRIPT = """
const http = require('http'), fs = require('fs'), [address, port, files] = process.argv.slice(2);
const server = http.createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  if (request.url === '/204') return response.writeHead(204).end();
  if (request.url === '/500') return response.writeHead(500).end('broken');
  if (request.url === '/early') return response.writeHead(403).end('no');
  if (request.url === '/slow') {
    let left = 5;
    return void setInterval(function () { response.write('tick\\n'); if (--left === 0) { clearInterval(this); response.end(); } }, 50);
  }
  if (request.headers['transfer-encoding'] || +request.headers['content-length'] > 0) {
    response.writeHead(200, {'Trailer': 'x-end', 'x-framing': request.headers['transfer-encoding'] || 'length'});
    request.on('end', () => { response.addTrailers({'x-end': 'whole'}); response.end(); });
    return request.pipe(response, {end: false});
  }
  fs.readFile(files + request.url, (error, content) => {
    if (error) return response.writeHead(request.url === '*' ? 200 : 404, {'x-target': request.url}).end();
    response.writeHead(200, {'Content-Length': content.length}).end(request.method === 'HEAD' ? undefined : content);
  });
});
try {
  const {WebSocketServer} = require('ws');
  new WebSocketServer({server}).on('connection', socket =>
    socket.on('message', (data, binary) => socket.send(data, {binary})).on('error', () => socket.terminate()));
} catch (error) { console.log(`no WebSocket: ${error.message}`); }
server.listen(+port, address, 1024);
"""

    def command(self) -> list:
        return ["node", self.write("pod.js", self.SCRIPT), layout.BRIDGE_ADDRESS, str(self.port), str(self.files)]
