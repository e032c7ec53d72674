"""The system that a virtual machine of vm.py boots: Debian's kernel for virtual machines, and an initramfs with busybox, the modules of
VFIO, and programs with their libraries."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

from . import layout
from .process import LabError, run

KERNEL_PACKAGE = "linux-image-cloud-amd64"  # depends on the package of the current version
BUSYBOX_PACKAGE = "busybox-static"

# In the order of their dependencies: the initramfs has no modules.dep. Of the drivers of the cards, the kernel has vmxnet3's.
MODULES = ("drivers/net/vmxnet3/vmxnet3.ko", "virt/lib/irqbypass.ko", "drivers/vfio/vfio.ko", "drivers/vfio/vfio_virqfd.ko",
           "drivers/vfio/vfio_iommu_type1.ko", "drivers/vfio/pci/vfio-pci-core.ko", "drivers/vfio/pci/vfio-pci.ko")

# DPDK loads its plugins at its start, from the directory that was compiled into it.
PLUGINS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000", "net_virtio", "net_vmxnet3")

DIRECTORIES = ("bin", "dev", "modules", "proc", "run", "sys", "tmp", "var/run")

# The second serial port is a shell without a prompt: a line is a command. After the output comes a line with the exit code.
END_OF_OUTPUT = "-- exit code "
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
ip link set lo up
for module in $(cat /modules/order); do insmod /modules/$module; done
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1
echo "{END_OF_OUTPUT}0"
while read -r line; do
  sh -c "$line" </dev/null 2>&1
  echo "{END_OF_OUTPUT}$?"
done
"""

# For modules whose dependencies are loaded: `modprobe MODULE`, `modprobe -r MODULE`.
MODPROBE = """#!/bin/sh
if [ "$1" = -r ]; then rmmod "$2"; else insmod "/modules/$1.ko"; fi
"""


class System:
    """Kernel, modules and busybox. Debian's packages are unpacked under the build directory, and stay there for the next time."""

    def __init__(self) -> None:
        depends = run("apt-cache", "depends", "--important", KERNEL_PACKAGE)
        package = re.search(r"Depends: (linux-image-\S+)", depends)
        if package is None:
            raise LabError(f"apt names no kernel:\n{depends}")
        kernel = _unpacked(package[1])
        self.kernel = next(kernel.glob("boot/vmlinuz-*"))
        self.modules = next(kernel.glob("lib/modules/*")) / "kernel"
        self.busybox = _unpacked(BUSYBOX_PACKAGE) / "bin" / "busybox"


def _unpacked(package: str) -> Path:
    root = layout.build_dir() / "guest" / package
    if not root.exists():
        fresh = root.with_name(package + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        done = subprocess.run(["apt-get", "-qq", "-o", "Acquire::Retries=3", "-o", "APT::Sandbox::User=root", "download", package],
                              cwd=fresh, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise LabError(f"apt-get download {package} failed:\n{done.stdout.strip()}")
        archive = next(fresh.glob("*.deb"))
        run("dpkg", "-x", str(archive), str(fresh))
        archive.unlink()
        fresh.rename(root)
    return root


def _libraries(programs: list) -> list:
    """The files that the dynamic loader maps for these programs and plugins; the loader too."""
    found = set()
    for program in programs:
        printed = run("ldd", str(program))
        if "not found" in printed:
            raise LabError(f"{program} lacks libraries:\n{printed}")
        found.update(re.findall(r"(?:=> |^\s*)(/\S+) \(", printed, re.MULTILINE))
    return [Path(path) for path in sorted(found)]


def _plugins() -> list:
    directory = Path(run("pkg-config", "--variable=libdir", "libdpdk").strip(), "dpdk")
    paths = [path for name in PLUGINS for path in directory.glob(f"pmds-*/librte_{name}.so.*.*")]
    if len(paths) != len(PLUGINS):
        raise LabError(f"{directory} does not have each of the plugins {', '.join(PLUGINS)} once")
    return paths


def _copy_all(sources: list, root: Path) -> None:
    """To the same places under another root. Several names of a file stay names of one file: Debian links DPDK's plugins to the
    libraries, and DPDK does not start when a library is loaded from two files."""
    copied: dict = {}
    for source in sources:
        target = root / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        inode = source.stat().st_ino
        if inode in copied:
            target.hardlink_to(copied[inode])
        else:
            shutil.copy2(source, target)
            copied[inode] = target


def _copy_tree(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    else:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("test", "__pycache__", "config-*", "ensurepip", "idlelib"),
                        ignore_dangling_symlinks=True)


def make_initramfs(system: System, scratch: Path, programs: list, files: dict, trees: Sequence[Path] = ()) -> Path:
    """programs go to /bin, without their debug information. files: texts by their paths in the guest. trees: directories, or scripts, that
    the guest has at the same places."""
    root = scratch / "root"
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    shutil.copy2(system.busybox, root / "bin" / "busybox")
    for module in MODULES:
        shutil.copy2(system.modules / module, root / "modules")
    plugins = _plugins()
    _copy_all([*plugins, *_libraries([*programs, *plugins])], root)
    for program in programs:
        run("strip", "-o", str(root / "bin" / program.name), str(program))
    order = "".join(Path(module).name + "\n" for module in MODULES)
    for name, text in {**files, "/modules/order": order, "/init": INIT, "/bin/modprobe": MODPROBE}.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("init", "bin/modprobe"):
        (root / name).chmod(0o755)
    for tree in trees:
        _copy_tree(tree, root / tree.relative_to("/"))
    archive = scratch / "initramfs"
    names = "\0".join(str(path.relative_to(root)) for path in [root, *sorted(root.rglob("*"))])
    with archive.open("wb") as output:
        subprocess.run(["cpio", "--quiet", "--null", "--create", "--format=newc"], cwd=root, input=names.encode(), stdout=output,
                       check=True)
    return archive
