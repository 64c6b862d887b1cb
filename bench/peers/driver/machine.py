# SPDX-License-Identifier: Apache-2.0
"""What the figures depend on. Says no host name."""

import os
import platform
import re
import subprocess
import time


def first(pattern, path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.M)
    except OSError:
        return None
    return found[1].strip() if found else None


def stolen_s():
    """Time that the host of this virtual machine took, all processors together."""
    ticks = first(r"^cpu +(?:\d+ +){7}(\d+)", "/proc/stat")
    return int(ticks or 0) / os.sysconf("SC_CLK_TCK")


def ticks():
    """Of all processors since the start: at work, and altogether."""
    with open("/proc/stat", encoding="utf-8") as file:
        spent = [int(word) for word in file.readline().split()[1:9]]
    return sum(spent) - spent[3] - spent[4], sum(spent)


def busy():
    """Share of all processors that others take, in one second. The load average still has the build in it."""
    work, whole = ticks()
    time.sleep(1)
    work_now, whole_now = ticks()
    return round((work_now - work) / max(1, whole_now - whole), 3)


def compiler():
    said = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else "unknown"


def look():
    flags = first(r"^flags\s*: (.*)$", "/proc/cpuinfo") or ""
    return {
        "processor": first(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in flags.split(),
        "memory_gib": round(int(first(r"^MemTotal: +(\d+)", "/proc/meminfo") or 0) / (1 << 20)),
        "kernel": platform.release().split("-")[0],
        "system": first(r'^PRETTY_NAME="(.*)"', "/etc/os-release") or "unknown",
        "governor": first(r"(.*)", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "compiler": compiler(),
        "load": round(os.getloadavg()[0], 2),
        "busy": busy(),
    }


def versions(programs):
    """Of the packages that the peers come from."""
    return {**debian_versions(), **mcap_versions(programs)}


def mcap_versions(programs):
    """As mcap/build wrote them down."""
    try:
        with open(os.path.join(programs, "mcap-versions"), encoding="utf-8") as file:
            return dict(line.split() for line in file if len(line.split()) == 2)
    except OSError:
        return {}


def debian_versions():
    names = ["libiceoryx-binding-c2", "cyclonedds-dev", "libzmq5", "libnng1", "libc6",
             "gstreamer1.0-plugins-bad", "liburing2", "valgrind"]
    try:
        said = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names],
                              capture_output=True, text=True, check=False).stdout
    except OSError:
        return {}
    return dict(line.split() for line in said.splitlines() if len(line.split()) == 2)
