"""Those that stand between load and pods: each can be started in front of a pod, measured and stopped."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Optional

from sluicelab import configuration, daemon, layout, network as lab_network
from sluicelab.process import LabError, alive, allow_locked_memory, in_namespace, send_signal, tail, wait_until

from . import machine, network
from .workloads import Workload

CONFIGS = Path(__file__).resolve().parent / "configs"
WORKER_CORE = 0
START_SECONDS = 10.0
STOP_SECONDS = 5.0


def _peers_words(workload: Workload) -> dict:
    """What the workload changes in the configurations of the peers."""
    tls, http2 = workload.tls, not workload.http1
    words = {"HAPROXY_CLIENTS": f" ssl crt {network.BOTH} alpn h2" if tls else " proto h2" if http2 else "",
             "NGHTTPX_CLIENTS": "" if tls else ";no-tls",
             "NGHTTPX_TLS": f"private-key-file={network.KEY}\ncertificate-file={network.CERTIFICATE}" if tls else "",
             "NGINX_LISTEN": (" ssl" if tls else "") + (" http2" if http2 else ""),
             "NGINX_TLS": f"ssl_certificate {network.CERTIFICATE}; ssl_certificate_key {network.KEY}; ssl_protocols TLSv1.2 TLSv1.3;"
             if tls else ""}
    if workload.http1:
        words.update({"HAPROXY_PODS": "", "NGHTTPX_PODS": "http/1.1",
                      "NGINX_PASS": 'proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection "";'})
    else:
        words.update({"HAPROXY_PODS": " proto h2", "NGHTTPX_PODS": "h2",
                      "NGINX_PASS": "grpc_pass grpc://pods; grpc_buffer_size 64k;"})
    return words


class Direct:
    """Nobody: the client talks to the pod."""

    name = "direct"
    namespace = layout.SOUTH_NAMESPACE

    def start(self, pod: str, workload: Workload) -> None:
        self.address = layout.pod_address(network.TLS_POD) if workload.tls else pod

    def stop(self) -> None:
        pass

    def memory(self) -> tuple:
        return 0.0, 0.0

    def counters(self) -> Optional[dict]:
        return None

    def pollers(self) -> tuple:
        return ()

    def helpers(self) -> float:
        return 0.0


class Peer:
    """A program of Debian's with a configuration of configs/, on the kernel's TCP."""

    namespace = layout.CLIENT_NAMESPACE
    address = network.PEER_VIP

    def __init__(self, name: str, template: str, *command: str) -> None:
        self.name = name
        self._template = CONFIGS / template
        self._command = command
        self._pid: Optional[int] = None

    def start(self, pod: str, workload: Workload) -> None:
        config = layout.RUN_DIR / self._template.name
        text = self._template.read_text()
        for name, value in {"VIP": self.address, "PORT": layout.PORT, "POD": pod, "RUN": layout.RUN_DIR,
                            **_peers_words(workload)}.items():
            text = text.replace(f"@{name}@", str(value))
        config.write_text(text)
        log = layout.RUN_DIR / f"{self.name}.log"
        log.unlink(missing_ok=True)

        def prepare() -> None:
            os.sched_setaffinity(0, {WORKER_CORE})
            allow_locked_memory()

        with open(log, "ab") as output:
            process = subprocess.Popen(in_namespace(layout.SLUICE_NAMESPACE, [*self._command, str(config)]),
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                       start_new_session=True, preexec_fn=prepare)
        process.returncode = 0  # waited for by alive()
        self._pid = process.pid
        if not wait_until(lambda: self._listens() or not alive(self._pid), START_SECONDS) or not alive(self._pid):
            self.stop()
            raise LabError(f"{self.name} does not start:\n{tail(log)}")

    def _listens(self) -> bool:
        try:
            lines = Path(f"/proc/{self._pid}/net/tcp").read_text().splitlines()[1:]
        except OSError:
            return False
        return any(f"{layout.PORT:04X}" == fields[1].rpartition(":")[2] and fields[3] == "0A"
                   for fields in map(str.split, lines))

    def stop(self) -> None:
        send_signal(self._pid, signal.SIGTERM)
        if not wait_until(lambda: not alive(self._pid), 0.3):
            send_signal(self._pid, signal.SIGKILL)
            wait_until(lambda: not alive(self._pid), STOP_SECONDS)
        self._pid = None

    def memory(self) -> tuple:
        return machine.memory_mib(machine.group_members(self._pid))

    def counters(self) -> Optional[dict]:
        return None

    def pollers(self) -> tuple:
        return ()  # it sleeps, and each time it wakes it waits a little

    def helpers(self) -> float:
        return 0.0  # all its threads are on core 0


class Sluice:
    """sluiced as the lab starts it, over one of the lab's drivers: guards, deadlines, histograms and replay buffers are on."""

    namespace = layout.CLIENT_NAMESPACE
    address = layout.VIP

    def __init__(self, driver: str) -> None:
        self.name = sluice_name(driver)
        self._driver = driver
        self._pid: Optional[int] = None

    def start(self, pod: str, workload: Workload) -> None:
        config = layout.RUN_DIR / "bench.toml"
        text = configuration.sluiced_toml(self._driver).replace(f'{{ file = "{layout.ENDPOINTS_FILE}" }}',
                                                                f'[{{ address = "{pod}:{layout.PORT}" }}]')
        # The first listener, and its service.
        if workload.http1:
            text = text.replace('protocol = "h2c"', 'protocol = "http"', 1)
        if workload.tls:
            text = text.replace('protocol = "h2c"\nservice = "echo"\n', f'''protocol = "https"
service = "echo"
tls.certificates = [{{ certificate = "{network.CERTIFICATE}", key = "{network.KEY}" }}]
''', 1)
        if workload.http1:
            text = text.replace('[[service]]\n', '[[service]]\nprotocol = "http1"\n', 1)
        config.write_text(text.replace('log_level = "info"', 'log_level = "warning"'))
        self._pid = daemon.start(self._driver, config)

    def stop(self) -> None:
        for _ in range(2):  # the first one drains, the second ends
            send_signal(self._pid, signal.SIGTERM)
            if wait_until(lambda: not alive(self._pid), 0.1):
                break
        if not wait_until(lambda: not alive(self._pid), STOP_SECONDS):
            send_signal(self._pid, signal.SIGKILL)
        self._pid = None
        if self._driver == "tun":
            lab_network.unplug_tun()

    def memory(self) -> tuple:
        return machine.memory_mib(machine.group_members(self._pid))

    def pollers(self) -> tuple:
        """Processes that always want their core, so that what they wait is what others had of it."""
        return (self._pid,)

    def helpers(self) -> float:
        """Seconds of processor time of the threads that make TLS handshakes, on the other core."""
        total = 0.0
        for task in Path(f"/proc/{self._pid}/task").iterdir():
            if (task / "comm").read_text().startswith("handshake-"):
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
        return total

    def counters(self) -> Optional[dict]:
        """The worker's cycles since its start."""
        answer = daemon.ask("stats")
        if answer is None:
            raise LabError(f"sluiced does not answer:\n{tail(layout.SLUICED_LOG)}")
        worker = answer["workers"][0]
        return {key: worker[key] for key in ("cycles", "cycles_busy", "cycles_io", "cycles_io_busy")}


def sluice_name(driver: str) -> str:
    return "sluice" if driver == "af_xdp" else f"sluice-{driver}"


def everybody(drivers: list) -> list:
    return [
        Direct(),
        Peer("haproxy", "haproxy.cfg", "haproxy", "-db", "-f"),
        Peer("nginx", "nginx.conf", "nginx", "-e", "stderr", "-c"),
        Peer("nghttpx", "nghttpx.conf", "nghttpx", "--conf"),
        *map(Sluice, drivers),
    ]


PEERS = ("haproxy", "nginx", "nghttpx")
DRIVERS = ("af_xdp", "tun")


def versions() -> dict:
    found = {}
    for name, package in (("haproxy", "haproxy"), ("nginx", "nginx"), ("nghttpx", "nghttp2-proxy"), ("h2load", "nghttp2-client"),
                          ("gRPC C++", "libgrpc++1.51")):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        found[name] = done.stdout if done.returncode == 0 else "?"
    return found
