"""The peers' own cables beside Sluice's, and the files that the plain pod serves."""

from pathlib import Path

from sluicelab import certificates, layout
from sluicelab.process import in_namespace, ip, run

PEER_VIP = "198.18.2.10"
PEER_SOUTH = "198.18.1.2"
CLIENT = "198.18.2.1"

PLAIN_POD, GRPC_POD, HTTP1_POD, TLS_POD = 1, 2, 3, 4
PODS = 4
HTTP1_POD_CONFIG = Path(__file__).resolve().parent / "configs" / "http1-pod.conf"
FILES = layout.RUN_DIR / "bench-files"
REQUEST_FILE = FILES / "request"
# For clients' TLS, of P-256: certificate, key, and a file with both, as HAProxy wants it.
CERTIFICATE, KEY, BOTH = (layout.TLS_DIR / f"bench.{suffix}" for suffix in ("pem", "key", "both"))


def pod_command() -> str:
    """The lab's gRPC pod as pod2, nginx as pod3, and nghttpd as all others, with TLS as pod4. Windows as large as the peers' own."""
    http1 = f"sed -e s/@POD@/$POD_IP/ -e s/@PORT@/$POD_PORT/ -e s#@RUN@#{layout.RUN_DIR}# -e s/@BODY@/{'x' * 100}/ {HTTP1_POD_CONFIG} " \
            f"> {layout.RUN_DIR}/http1-pod.conf; exec nginx -e stderr -c {layout.RUN_DIR}/http1-pod.conf"
    plain = f"exec nghttpd -n 1 -d {FILES} -w 20 -W 24 -m 2000 "
    tls = f"{plain}$POD_PORT {KEY} {CERTIFICATE}"
    grpc = f"exec {layout.pod_binary()}"
    return f'case $POD_NAME in pod{GRPC_POD}) {grpc};; pod{HTTP1_POD}) {http1};; ' \
           f'pod{TLS_POD}) {tls};; *) {plain}--no-tls $POD_PORT;; esac'


def add_cables() -> None:
    ip(f"link add eth1 netns {layout.CLIENT_NAMESPACE} type veth peer name kernel-n netns {layout.SLUICE_NAMESPACE}")
    ip(f"link add kernel netns {layout.SOUTH_NAMESPACE} type veth peer name kernel-s netns {layout.SLUICE_NAMESPACE}")
    ip(f"address add {CLIENT}/24 dev eth1", layout.CLIENT_NAMESPACE)
    ip(f"address add {PEER_VIP}/24 dev kernel-n", layout.SLUICE_NAMESPACE)
    ip(f"address add {PEER_SOUTH}/24 dev kernel-s", layout.SLUICE_NAMESPACE)
    ip("link set kernel master br0 up", layout.SOUTH_NAMESPACE)
    for device in ("kernel-n", "kernel-s"):
        ip(f"link set {device} up", layout.SLUICE_NAMESPACE)
    ip("link set eth1 up", layout.CLIENT_NAMESPACE)
    # A client that closes first keeps its ports in TIME_WAIT: enough of them, and used again after a second.
    for namespace in (layout.CLIENT_NAMESPACE, layout.SOUTH_NAMESPACE):
        run(*in_namespace(namespace, ["sysctl", "-qw", "net.ipv4.ip_local_port_range=2048 65000", "net.ipv4.tcp_tw_reuse=1"]))


def steer() -> None:
    """Lets core 1 receive for the load and the pods (RPS). Otherwise whoever sends into a veth pair does that for the other end, too."""
    mask = f"{1 << layout.COMMON_CORE:x}"
    for namespace, device in ((layout.CLIENT_NAMESPACE, "eth0"), (layout.CLIENT_NAMESPACE, "eth1"),
                              (layout.SOUTH_NAMESPACE, "sluice"), (layout.SOUTH_NAMESPACE, "kernel")):
        run(*in_namespace(namespace, ["sh", "-c", f"echo {mask} > /sys/class/net/{device}/queues/rx-0/rps_cpus"]))


def write_files(sizes) -> None:
    FILES.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        (FILES / str(size)).write_bytes(bytes(i % 251 for i in range(size)))
    if not BOTH.exists():
        certificates.make_ca(layout.TLS_DIR)
        certificates.issue(layout.TLS_DIR, CERTIFICATE.stem, ("echo.lab",))
        BOTH.write_text(CERTIFICATE.read_text() + KEY.read_text())


def clean() -> None:
    for path in FILES.glob("*") if FILES.exists() else ():
        path.unlink()
    if FILES.exists():
        FILES.rmdir()
