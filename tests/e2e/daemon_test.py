#!/usr/bin/python3
"""sluiced as a program: a second one beside the first, a restart after SIGKILL, its ports and their links, rights, signals, exit codes."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator

from support import LabTest, daemon, lab, layout, log_size, logged, main, process, run
from sluicelab import network
from sluicelab.client import Client, failed

NOBODY, NOGROUP = "65534", "65534"
UNIT = layout.REPOSITORY / "tools" / "systemd" / "sluiced.service.in"
SCRATCH = layout.RUN_DIR / "daemon"
SECONDS = 60

# More than all rings of a port hold.
DATAGRAMS = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(30_000):
    one.sendto(b"", (sys.argv[1], 9))
"""


def sluiced(*arguments: str, prefix: tuple = ()) -> tuple:
    """In its namespace, to its end: the exit code and what it said."""
    done = subprocess.run(process.in_namespace(layout.SLUICE_NAMESPACE, [*prefix, str(layout.sluiced_binary()), *arguments]),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    return done.returncode, done.stdout


@contextlib.contextmanager
def standing_still(thread: int) -> Iterator[None]:
    """As a debugger holds a thread: the others of its process go on."""
    seize, interrupt, detach, all_threads = 0x4206, 0x4207, 17, 0x40000000  # linux/ptrace.h, linux/wait.h
    libc = ctypes.CDLL(None, use_errno=True)
    for request in (seize, interrupt):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(thread, all_threads)
    try:
        yield
    finally:
        libc.ptrace(detach, thread, None, None)


def configuration_with_socket(path: Path) -> Path:
    """The lab's file, but for the socket."""
    SCRATCH.mkdir(exist_ok=True)
    text = layout.CONFIG_FILE.read_text().replace(str(layout.ADMIN_SOCKET), str(path))
    file = SCRATCH / "sluiced.toml"
    file.write_text(text)
    return file


class Daemon(LabTest):
    pods = 1
    workers = 1  # a port is one device

    def test_a_second_one_ends_and_the_first_one_does_not_notice(self) -> None:
        client = Client(rate=200, delay=0, interval=100)
        client.fresh()
        code, said = sluiced("--config", str(layout.CONFIG_FILE))
        self.assertEqual(code, 1, said)
        self.assertIn("another sluiced answers there", said)
        code, said = sluiced("--config", str(configuration_with_socket(SCRATCH / "other.sock")))
        self.assertEqual(code, 1, said)
        self.assertRegex(said, rf"in use by process {lab.status()['sluiced']['pid']}\b")
        # Calls go on, and go on ending well.
        before = sum(client.fresh()["calls"].values())
        self.assertTrue(process.wait_until(lambda: sum(client.fresh()["calls"].values()) > before, 20))
        report = client.stop()
        self.assertEqual(failed(report), 0, report["last_error"])

    def test_after_a_kill_it_starts_again_and_serves(self) -> None:
        process.kill(lab.status()["sluiced"]["pid"])
        self.assertIsNotNone(re.search("xdp", process.run("ip", "-n", layout.SLUICE_NAMESPACE, "link", "show", "north")),
                             "a process that was killed leaves its XDP program")
        lab.restart_sluiced()
        run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "500")

    def test_a_port_whose_program_another_process_detaches_is_said_to_be_deaf(self) -> None:
        log = log_size()
        process.ip("link set dev north xdp off", layout.SLUICE_NAMESPACE)
        self.assertTrue(logged(log, "port north receives nothing: the XDP program of the interface 'north' is gone"))
        lab.restart_sluiced()
        run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "500")

    def test_nic_shows_devices_claims_and_drops_of_each_port(self) -> None:
        north, south = daemon.ask("nic")["ports"]
        self.assertEqual((north["name"], south["name"]), ("north", "south"))
        self.assertEqual((north["profile"], north["profile_chosen"], north["flows"]), ("af_xdp-veth", "named", "none"))
        (device,) = north["devices"]
        self.assertEqual((device["driver"], device["interface"], device["kernel_driver"]), ("net_af_xdp", "north", "veth"))
        self.assertTrue(device["link"]["up"])
        self.assertIn({"key": "multi_segment", "claimed": "no", "offered": "no", "used": "no"}, north["claims"])
        self.assertIn("tcp_checksum", north["drops"])

    def test_a_port_without_a_profile_gets_the_one_of_its_driver(self) -> None:
        text = layout.CONFIG_FILE.read_text()
        try:
            layout.CONFIG_FILE.write_text(re.sub(r"^profile = .*\n", "", text, flags=re.MULTILINE))
            lab.restart_sluiced()
            chosen = [(port["profile"], port["profile_chosen"]) for port in daemon.ask("nic")["ports"]]
            self.assertEqual(chosen, [("af_xdp-veth", "auto")] * 2)
            run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "500")
        finally:
            layout.CONFIG_FILE.write_text(text)
            lab.restart_sluiced()

    def test_a_link_that_comes_up_again_is_said_and_the_addresses_are_announced(self) -> None:
        def sent() -> int:
            return daemon.ask("stats")["workers"][0]["ports"][0]["tx_packets"]

        log = log_size()
        process.ip("link set dev eth0 down", layout.CLIENT_NAMESPACE)
        self.assertTrue(logged(log, "port north: link down"))
        before = sent()
        log = log_size()
        process.ip("link set dev eth0 up", layout.CLIENT_NAMESPACE)
        self.assertTrue(logged(log, "port north: link up"))
        # Its own address and the VIP.
        self.assertTrue(process.wait_until(lambda: sent() >= before + 2, 5))
        run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "500")

    def test_frames_that_come_while_nobody_receives_are_counted_as_missed(self) -> None:
        pid = lab.status()["sluiced"]["pid"]
        run(layout.CLIENT_NAMESPACE, "ping", "-q", "-c", "1", layout.VIP)  # the client knows its MAC address
        os.kill(pid, signal.SIGSTOP)
        try:
            run(layout.CLIENT_NAMESPACE, sys.executable, "-c", DATAGRAMS, layout.VIP)
        finally:
            os.kill(pid, signal.SIGCONT)

        def north() -> dict:
            return daemon.ask("nic")["ports"][0]

        self.assertTrue(process.wait_until(lambda: north()["drops"]["rx_missed"] > 0, 10), north())
        self.assertGreater(north()["devices"][0]["rx_missed"], 0)
        run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "500")

    def test_a_worker_that_stands_still_is_said_and_shown_and_goes_on(self) -> None:
        tasks = Path(f"/proc/{lab.status()['sluiced']['pid']}/task")
        (worker,) = (int(task.name) for task in tasks.iterdir() if "worker" in (task / "comm").read_text())
        log = log_size()
        with standing_still(worker):
            self.assertTrue(logged(log, "worker 0 has stood still for 1."))
            self.assertEqual(daemon.ask("workers")["workers"][0]["state"], "standing still")
        self.assertTrue(logged(log, "worker 0 goes on"))
        self.assertEqual(daemon.ask("workers")["workers"][0]["state"], "running")
        run(layout.CLIENT_NAMESPACE, str(layout.client_binary()), "--duration", "500")

    def test_an_unused_signal_does_not_end_it_and_SIGQUIT_drains(self) -> None:
        pid = lab.status()["sluiced"]["pid"]
        log = log_size()
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            os.kill(pid, number)
        self.assertEqual(daemon.ask("status")["state"], "serving")
        os.kill(pid, signal.SIGQUIT)
        self.assertTrue(logged(log, "draining"))
        self.assertTrue(process.wait_until(lambda: not process.alive(pid), 20))
        lab.restart_sluiced()

    def test_a_start_without_rights_says_all_that_is_missing(self) -> None:
        without = ("setpriv", "--reuid", NOBODY, "--regid", NOGROUP, "--clear-groups", "--inh-caps=-all")
        code, said = sluiced("--config", str(configuration_with_socket(SCRATCH / "x" / "s.sock")), prefix=without)
        self.assertEqual(code, 1, said)
        for missing in ("CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_IPC_LOCK", "admin_socket"):
            self.assertIn(missing, said)
        self.assertNotIn("huge pages", said)

    def test_the_rights_of_the_systemd_unit_suffice(self) -> None:
        granted = re.search("^AmbientCapabilities=(.*)$", UNIT.read_text(), re.MULTILINE).group(1).split()
        capabilities = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in granted)])
        runtime = SCRATCH / "runtime"  # RuntimeDirectory of the unit
        runtime.mkdir(parents=True, exist_ok=True)
        shutil.chown(runtime, int(NOBODY), int(NOGROUP))
        file = configuration_with_socket(runtime / "sluiced.sock")
        log = SCRATCH / "log"
        lab.stop_sluiced()
        pid = process.spawn(layout.SLUICE_NAMESPACE, [
            "setpriv", "--reuid", NOBODY, "--regid", NOGROUP, "--clear-groups", f"--inh-caps={capabilities}",
            f"--ambient-caps={capabilities}", f"--bounding-set={capabilities}", "--no-new-privs",
            str(layout.sluiced_binary()), "--config", str(file)], log, pin=False)
        try:
            self.assertTrue(process.wait_until(lambda: "serving with" in process.tail(log) or not process.alive(pid), SECONDS))
            self.assertIn("serving with", process.tail(log))
        finally:
            process.kill(pid)
            lab.restart_sluiced()

    def test_the_log_of_a_good_start_has_no_lines_of_drivers(self) -> None:
        log = log_size()
        lab.restart_sluiced()
        with layout.SLUICED_LOG.open() as text:
            text.seek(log)
            said = text.read()
        for library in ("EAL:", "libbpf", "libxdp"):
            self.assertNotIn(library, said)

    def test_exit_codes_of_both_programs(self) -> None:
        self.assertEqual(sluiced("--no-such-option")[0], 2)
        self.assertEqual(sluiced("--config", "/nonexistent.toml")[0], 2)
        self.assertEqual(sluiced("--version")[0], 0)
        sluicectl = [str(layout.sluicectl_binary()), "--socket", str(layout.ADMIN_SOCKET)]
        for words, code in ((["--version"], 0), (["nonsense"], 2), (["pods", "--watch", "0"], 2), (["pods"], 0)):
            self.assertEqual(subprocess.run([*sluicectl, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode, code,
                             words)
        with open("/dev/full", "w") as full:
            lost = subprocess.run([*sluicectl, "pods"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((lost.returncode, lost.stderr), (1, "sluicectl: standard output cannot be written\n"))

    def test_watch_writes_no_escape_codes_into_a_pipe_and_outlives_a_restart(self) -> None:
        watch = subprocess.Popen([str(layout.sluicectl_binary()), "--socket", str(layout.ADMIN_SOCKET), "pods", "--watch", "0.1"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            self.assertIn("SERVICE", watch.stdout.readline())
            lab.restart_sluiced()
            headings = 0
            while headings < 3:
                line = watch.stdout.readline()
                self.assertNotEqual(line, "", "it has ended")
                self.assertNotIn("\033", line)
                headings += line.startswith("SERVICE")
        finally:
            watch.kill()
            watch.communicate()


if __name__ == "__main__":
    main()
