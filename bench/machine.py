"""The machine that measures: its shape in a line, the programs on it, and what /proc says of a process."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from PIL import __version__ as pillow_version

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "node": "nodejs", "npm": "npm"}  # Debian's names
SBIN = ("/usr/sbin", "/usr/local/sbin")  # a normal user's PATH has none


def find(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), *SBIN)))


def obtain(program: str) -> str:
    """See to it that a program is there; a sentence that says what is missing when it cannot be had."""
    package = PACKAGES[program]
    if not find(program) and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {package} by apt", flush=True)
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", package)
    if find(program):
        return ""
    return f"expected {program}, which is missing; run 'sudo apt-get install {package}' and try again"


def _apt(*arguments: str) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # another apt may be at work on a machine that has just started
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments]
    subprocess.run(command, check=False, env=environ, stdin=subprocess.DEVNULL, capture_output=True)


def describe(directory: Path) -> str:
    """Date, shape, versions and load. `directory`: where the files of the measurement will be."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    shape = f"{os.cpu_count()} cores ({_processor()}), {gigabytes:.0f} GB, {_file_system(directory)}, Linux {platform.release()}"
    versions = [f"Python {platform.python_version()}", f"Pillow {pillow_version}", f"nginx {_version('nginx', '-v')}"]
    if find("wrk"):
        versions.append(f"wrk {_version('wrk', '-v')}")
    return f"{now}; {shape}; {', '.join(versions)}. Load average when it began: {os.getloadavg()[0]:.1f}."


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(program: str, option: str) -> str:
    result = subprocess.run([find(program) or program, option], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", result.stdout + result.stderr)
    return found[0] if found else "?"


def _file_system(directory: Path) -> str:
    """The kind of the file system that a directory is on: the mount with the longest path above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(above)[1] if above else "?"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    """What a process has used up so far, in user and kernel, to the nanosecond (/proc counts in hundredths of a second)."""
    return time.clock_gettime((~pid << 3) | _WHOLE_PROCESS)


_WHOLE_PROCESS = 2  # clock_getcpuclockid(3) makes a clock of a pid so; Python offers it for threads only


def children_cpu_seconds() -> float:
    """What our own children that have ended used up."""
    times = os.times()
    return times.children_user + times.children_system


def megabytes(pid: int, key: str) -> float:
    """A line of /proc/<pid>/status: VmRSS is what is resident, VmHWM its peak."""
    return _kilobytes(Path(f"/proc/{pid}/status"), key)


def proportional_megabytes(pid: int) -> float | None:
    """PSS: what is resident, with what several share divided among them. None where only root may know."""
    try:
        return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss")
    except PermissionError:
        return None


def _kilobytes(status: Path, key: str) -> float:
    """In megabytes."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    if not found:
        raise ValueError(f"expected {key} in {status}, found none")
    return int(found[1]) * 1024 / 1e6
