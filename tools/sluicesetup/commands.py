"""The commands of tools/setup. Each prints, and returns whether the host is as it should be."""

from collections import Counter
from typing import List

from . import boot, changes, cores, devices, hugepages
from .finding import Finding, Grade
from .host import Host, SetupError
from .needs import Needs
from .record import Record


def examine(host: Host, needs: Needs) -> List[Finding]:
    """In the order in which the changes are made."""
    return (hugepages.examine(host, needs, bool(host.processes("sluiced"))) + devices.examine(host, needs)
            + cores.examine(host, needs))


def check(host: Host, needs: Needs) -> bool:
    findings = examine(host, needs)
    for finding in findings:
        print(finding)
    _print_arguments(host, needs)
    ready = all(finding.grade == Grade.ADVICE for finding in findings)
    if ready:
        print("sluiced can start on this host." if findings else "This host is ready for sluiced.")
    return ready


def prepare(host: Host, needs: Needs, dry_run: bool = False, force: bool = False, grub: bool = False) -> bool:
    findings = examine(host, needs) + (boot.for_grub(host, needs) if grub else [])
    planned = [change for finding in findings for change in finding.changes]
    if planned and host.processes("sluiced"):
        findings.append(Finding(Grade.DANGEROUS, "sluiced runs, and may use the devices.", "End it first."))
    for finding in findings:
        if not finding.changes:
            print(finding)
    _print_arguments(host, needs)
    refused = any(finding.grade == Grade.IMPOSSIBLE or (finding.grade == Grade.DANGEROUS and not force) for finding in findings)
    if dry_run:
        for what, times in Counter(change["what"] for change in planned).items():
            print(f"would {what}{_times(times)}")
    elif refused:
        print("Nothing was changed.")
    else:
        _make_all(host, planned)
    return not refused


def _make_all(host: Host, planned: List[dict]) -> None:
    record = Record(host)
    made: Counter = Counter()
    refused = 0
    for change in planned:
        wanted = change.get("after", "")
        record.add(change)
        try:
            changes.make(host, change)
        except changes.Unchanged:
            record.drop(change)
            refused += 1
            continue
        except (OSError, SetupError) as error:
            raise SetupError(f"could not {change['what']}: {error}\ntools/setup undo takes back what was done before.") from None
        record.save()
        made[change["what"]] += 1
        complaint = hugepages.complaint(change, wanted)
        if complaint:
            raise SetupError(complaint)
    for what, times in made.items():
        print(f"done: {what}{_times(times)}")
    if refused > 0:
        print(f"{refused} interrupts stay where the kernel has placed them.")


def _times(times: int) -> str:
    return f" ({times} times)" if times > 1 else ""


def undo(host: Host, force: bool = False) -> bool:
    record = Record(host)
    if host.processes("sluiced") and record.changes and not force:
        print("sluiced runs, and may use the devices. End it first.")
        return False
    if not record.changes:
        record.save()  # changes of an earlier boot leave the file too
        print("There is nothing to undo.")
        return True
    undone: Counter = Counter()
    for change in reversed(list(record.changes)):
        try:
            remark = changes.take_back(host, change)
        except (OSError, SetupError) as error:
            print(f"not undone: {change['what']}: {error}")
            continue
        record.drop(change)
        undone[change["what"]] += 1
        if remark is not None:
            print(remark)
    for what, times in undone.items():
        print(f"undone: {what}{_times(times)}")
    return not record.changes


def _print_arguments(host: Host, needs: Needs) -> None:
    missing = boot.arguments(host, needs)
    if missing:
        print(f"The kernel's command line lacks: {' '.join(missing)}")
