"""A small virtual machine with PCI network cards, in software emulation: real drivers without the hardware.

QEMU emulates without KVM, so that the machine runs inside virtual machines too. A card is plugged to a TAP device of the caller's, each pair of its queues to a queue of the device. The
machine's second serial port takes commands. The first is the kernel's console, which is written to a file.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Sequence

from . import guest
from .process import LabError, kill, tail

QEMU = "qemu-system-x86_64"
MEMORY_MIB = 1024
HUGE_PAGES = 160     # of 2 MiB
BOOT_SECONDS = 90.0  # five on a free core
FIRST_SLOT = 0x10    # of the cards on the PCI bus

PR_SET_PDEATHSIG = 1

# A virtio device ignores the IOMMU unless it is told otherwise.
CARD_OPTIONS = {"virtio-net-pci": ",disable-legacy=on,iommu_platform=on"}

# no_timer_check: on a busy host an emulated timer may miss the moment in which the kernel looks at it, and the kernel panics.
KERNEL_ARGUMENTS = ("console=ttyS0 quiet panic=-1 mitigations=off intel_iommu=on tsc=reliable random.trust_cpu=on no_timer_check "
                    f"default_hugepagesz=2M hugepagesz=2M hugepages={HUGE_PAGES}")


def pci_address(card: int) -> str:
    """In the guest. Cards count from 0."""
    return f"0000:00:{FIRST_SLOT + card:02x}.0"


class Machine:
    """Runs from construction to close(). taps: for each card the descriptors of a TAP device's queues; the caller keeps and closes them.
    options: QEMU's, of each card."""

    def __init__(self, system: guest.System, initramfs: Path, card: str, taps: Sequence[Sequence[int]], console: Path,
                 options: str = "") -> None:
        command = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", "tcg,thread=multi",
                   "-machine", "q35", "-device", "intel-iommu,intremap=on,aw-bits=48", "-cpu", "max", "-smp", "2",
                   "-m", str(MEMORY_MIB), "-kernel", str(system.kernel), "-initrd", str(initramfs), "-append", KERNEL_ARGUMENTS,
                   "-serial", f"file:{console}", "-chardev", "stdio,id=shell,signal=off", "-serial", "chardev:shell"]
        for number, queues in enumerate(taps):
            key = "fd" if len(queues) == 1 else "fds"
            command += ["-netdev", f"tap,id=net{number},{key}={':'.join(map(str, queues))}",
                        "-device", f"{card},netdev=net{number},bus=pcie.0,addr={FIRST_SLOT + number:#x},"
                                   f"mac=02:00:00:00:01:{number:02x}{CARD_OPTIONS.get(card, '')}{options}"]
        self._console, self._errors = console, console.with_suffix(".qemu")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
                                             pass_fds=[queue for queues in taps for queue in queues], start_new_session=True, preexec_fn=_die_with_parent)
        self._output = b""  # of the guest's shell, not yet looked at
        try:
            self._answer("boot", BOOT_SECONDS)
        except BaseException:
            self.close()
            raise

    def run(self, command: str, seconds: float = 20.0) -> str:
        """The output of a line for the guest's shell. LabError when its exit code is not 0."""
        code, output = self.try_run(command, seconds)
        if code != 0:
            raise LabError(f"{command}: exit code {code}\n{output}")
        return output

    def try_run(self, command: str, seconds: float = 20.0) -> tuple:
        """Exit code and output."""
        with contextlib.suppress(BrokenPipeError):  # _answer() says why
            self._process.stdin.write(command.encode() + b"\n")
        return self._answer(command, seconds)

    def bind_to_vfio(self, card: int) -> None:
        """As dpdk-devbind.py does."""
        device = f"/sys/bus/pci/devices/{pci_address(card)}"
        self.run(f"if [ -e {device}/driver ]; then echo {pci_address(card)} >{device}/driver/unbind; fi; "
                 f"echo vfio-pci >{device}/driver_override && echo {pci_address(card)} >/sys/bus/pci/drivers_probe && "
                 f"readlink {device}/driver")

    def _answer(self, command: str, seconds: float) -> tuple:
        until = time.monotonic() + seconds
        while True:
            output, found, rest = self._output.partition(guest.END_OF_OUTPUT.encode())
            code, newline, rest = rest.partition(b"\n")
            text = output.decode(errors="replace").replace("\r\n", "\n")
            if found and newline:
                self._output = rest
                return int(code), text
            if not select.select([self._process.stdout], [], [], max(until - time.monotonic(), 0))[0]:
                raise LabError(f"the virtual machine took longer than {seconds:.0f} s for: {command}\n{text}\n{self.evidence()}")
            more = os.read(self._process.stdout.fileno(), 65536)
            if not more:
                raise LabError(f"the virtual machine ended before it had done: {command}\n{text}\n{self.evidence()}")
            self._output += more

    def evidence(self) -> str:
        return f"the end of {self._console}:\n{tail(self._console, 30)}\nQEMU said:\n{tail(self._errors)}"

    def close(self) -> None:
        kill(self._process.pid)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def _die_with_parent() -> None:
    """A caller that is killed with SIGKILL leaves no machine behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
