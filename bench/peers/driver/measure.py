# SPDX-License-Identifier: Apache-2.0
"""One peer, one case, once."""

import ctypes
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile


from .plan import PINNED
from .transcript import Transcript


class LeftOut(Exception):
    """Why there is no figure, as a sentence."""


class TooLong(LeftOut):
    """It was ended."""


LIMIT_S, LIMIT_QUICK_S = 12, 6  # beside the budget
# Times; a peer that does not come to an end is not waited for in each case.
TOO_LONG_MAX, TOO_LONG_MAX_QUICK = 6, 2


class Bench:
    """Where the programs are, and how long they may take."""

    def __init__(self, programs, root, quick, cores=None, realtime=False, limit_s=None):
        self.programs = os.path.abspath(programs)
        self.transcript = Transcript(os.path.abspath(root))
        self.quick = quick
        self.limit_s = limit_s or (LIMIT_QUICK_S if quick else LIMIT_S)
        self.too_long = {}  # peer: times
        self.too_long_max = TOO_LONG_MAX_QUICK if quick else TOO_LONG_MAX
        self.cores = cores
        self.before = ["chrt", "-f", "50"] if realtime else []

    def program(self, peer, case):
        name = peer.name if peer.name.startswith(f"{case.program}-") else f"{case.program}-{peer.name}"
        path = os.path.join(self.programs, name)
        if not os.access(path, os.X_OK):
            raise LeftOut(f"not built, for want of {peer.package}" if peer.package else "not built")
        return path

    def budget_ms(self, case):
        if not self.quick:
            return case.budget_ms
        return 1000 if case.work == "video" else min(case.budget_ms, 30)

    def check_patience(self, peer):
        if self.too_long.get(peer.name, 0) >= self.too_long_max:
            raise LeftOut(f"it did not come to an end in {self.too_long_max} cases before this one")

    def command(self, peer, case, folder, arguments=()):
        budget = self.budget_ms(case)
        if self.before and not peer.realtime:
            raise LeftOut("it has more busy threads than there may be cores, so not with --realtime")
        command = [*self.before, self.program(peer, case), case.work]
        if case.program == "peer":
            command += ["--payload", case.payload, "--dir", folder]
        command += ["--budget", budget, *case.arguments, *arguments]
        if case.sleeps or peer.sleeps:
            command.append("--sleep")
        if self.cores and case.work in PINNED:
            command += ["--cores", self.cores]
        return [str(word) for word in command]


def said_first(text):
    """Why a program ended, in its own words; what libraries say on the way is left out."""
    lines = [line for line in text.splitlines() if line.strip()] or ["it said nothing"]
    own = [line for line in lines if re.match(r"(peer-[\w-]+|exe): ", line)]
    return re.sub(r"^(peer-[\w-]+|exe): ", "", (own or lines)[0])


def end(process):
    """It, and what it started, also when it has just ended by itself."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


def run(bench, command, seconds):
    """Standard output; a failure is a sentence, the first that it said."""
    bench.transcript.command(command)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    try:
        out, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        raise TooLong(f"it did not finish within {seconds:.0f} seconds") from None
    except BaseException:
        end(process)
        raise
    if process.returncode:
        raise LeftOut(said_first(said or out))
    return out


TOPS = ("/dev/shm", "/tmp")  # where peers put files beside the run's folder


def list_tops():
    return {os.path.join(top, name) for top in TOPS for name in os.listdir(top)}


class Daemon:
    """iox-roudi with one pool of chunks that the case needs. Only one can be on a machine."""

    def __init__(self, case, folder, transcript):
        if not shutil.which("iox-roudi"):
            raise LeftOut("there is no iox-roudi")
        if subprocess.run(["pgrep", "-x", "iox-roudi"], capture_output=True, check=False).stdout:
            raise LeftOut("another iox-roudi runs on this machine, and there can be only one")
        self.before = list_tops()
        # Cyclone DDS puts a head of its own before each payload.
        size = (case.payload + 256 + 63) // 64 * 64
        count = max(16, min(4096, (256 << 20) // (size)))
        self.config = os.path.join(folder, "roudi.toml")
        text = f"[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = {size}\ncount = {count}\n"
        with open(self.config, "w", encoding="ascii") as file:
            file.write(text)
        command = ["iox-roudi", "-c", self.config]
        transcript.file(self.config, text)
        transcript.command(command, background=True)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True)
        if not self.becomes_ready():
            self.stop()
            raise LeftOut("iox-roudi does not start")

    def becomes_ready(self):
        try:
            return any("ready" in line for line in self.process.stdout)
        except BaseException:
            self.stop()
            raise

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        # It gives up with an assertion when a client is gone that it wants to end, and leaves its memory.
        user = pwd.getpwuid(os.geteuid()).pw_name
        for path in ("/dev/shm/iceoryx_mgmt", f"/dev/shm/{user}", "/tmp/roudi", "/tmp/roudi.lock"):
            if path not in self.before:
                remove(path)


def remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def resident(pid):
    """Bytes: its share of all that it has in memory, and what of it only it has."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        table = dict(re.findall(r"^(\w+): +(\d+) kB", file.read(), re.M))
    return int(table["Pss"]) << 10


def shared_files(pid):
    """{(device, inode): bytes in memory} of the files on tmpfs that it has mapped."""
    found = {}
    folder = f"/proc/{pid}/map_files"
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        for line in file:
            fields = line.split(maxsplit=5)
            path = fields[5].strip() if len(fields) > 5 else ""
            if "s" not in fields[1] or not path.startswith(("/dev/shm/", "/memfd:", "/SYSV")):
                continue
            try:
                status = os.stat(f"{folder}/{fields[0]}")
            except OSError:
                continue
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return found


def count_threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def stay(bench, peer, case, folder):
    """Two processes that have talked and stay, and their ids."""
    command = bench.command(peer, case, folder)
    bench.transcript.command(command)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    try:
        is_there = select.select([process.stdout], [], [], bench.limit_s)[0]
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if not is_there:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise TooLong(f"the first messages did not arrive within {bench.limit_s} seconds")
    line = process.stdout.readline()
    if not line:
        raise LeftOut(said_first(process.communicate()[1]))
    return process, json.loads(line)["pids"]


def end_stay(process):
    process.stdin.close()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
    process.stderr.close()


def measure_memory(bench, peer, case, folder, daemon):
    process, pids = stay(bench, peer, case, folder)
    bench.transcript.note("while they stay: Pss in /proc/PID/smaps_rollup of the pids that it prints"
                          + (" and of iox-roudi" if daemon else ""))
    try:
        looked = pids + ([daemon.process.pid] if daemon else [])
        shared = {}
        for pid in looked:
            shared.update(shared_files(pid))
        return {
            "value": sum(resident(pid) for pid in looked),
            "unit": "B",
            "shared": sum(shared.values()),
            "daemon": resident(daemon.process.pid) if daemon else 0,
            "descriptors": sum(len(os.listdir(f"/proc/{pid}/fd")) - 3 for pid in pids),
            "threads": sum(count_threads(pid) for pid in pids),
        }
    finally:
        end_stay(process)


def leftovers(folder, before):
    """Files of this run: {path: bytes}. Peers put them into the run's folder, or under its name into those of
    the system; clients of iox-roudi under names of their own. What was there before is not of this run."""
    base = os.path.basename(folder)
    paths = [os.path.join(where, name) for where, _, files in os.walk(folder) for name in files
             if name != "roudi.toml"]
    paths += [path for path in list_tops() - before if path != folder and
              (base in path or os.path.basename(path).startswith("iceoryx_rt_"))]
    found = {}
    for path in paths:
        try:
            found[path] = os.stat(path).st_blocks * 512
        except OSError:
            pass
    return found


def queue_is_left(folder):
    """Queues are no files unless somebody has mounted them: asks by removing."""
    try:
        library = ctypes.CDLL("librt.so.1", use_errno=True)
        name = f"/{os.path.basename(folder)}.work.0".encode()
        return library.mq_unlink(name) == 0
    except (OSError, AttributeError):
        return False


def measure_kill(bench, peer, case, folder, daemon):
    """Both killed at rest; then the same names again, to the first message, and an orderly end."""
    before = list_tops()
    process, pids = stay(bench, peer, case, folder)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    bench.transcript.note("kill -KILL the pids that it prints; what is in DIR, /dev/shm and /tmp now was left")
    end_stay(process)
    left = leftovers(folder, before)
    again = [bench.program(peer, case), "first", "--payload", str(case.payload), "--dir", folder, "--sleep",
             "--from", "1000000"]
    try:
        run(bench, again, bench.limit_s)
        restart = "works"
    except LeftOut as reason:
        restart = f"fails: {reason}"
    after = leftovers(folder, before)
    if peer.name == "mq" and queue_is_left(folder):
        restart += "; the queue stays until it is removed"
    return {"value": len(left), "unit": "files", "bytes": sum(left.values()), "restart": restart,
            "after": len(after), "daemon_lives": daemon is None or daemon.process.poll() is None}


VALGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
STRACE = ["strace", "-f", "-c"]


def count_for_each(bench, peer, case, folder, counter, pattern):
    """What `counter` says is done for one message: two runs, the second with a thousand more."""
    counts = []
    bench.transcript.note("each with a DIR of its own; a thousandth of the difference")
    for messages in (200, 1200):
        inner = tempfile.mkdtemp(prefix=os.path.basename(folder) + ".", dir=folder)
        command = bench.command(peer, case, inner, ["--count", messages])[len(bench.before):]
        bench.transcript.folder = inner
        bench.transcript.command([*counter, *command])
        said = subprocess.run([*counter, *command], text=True, capture_output=True, timeout=180, check=False)
        found = re.search(pattern, said.stderr)
        if said.returncode or not found:
            own = re.findall(r"^(?!==).+$", said.stderr, re.M)
            raise LeftOut(f"it does not run in {counter[0]}: {(own or ['no reason was said'])[0][:80]}")
        counts.append(int(found[1]))
    return max(0, counts[1] - counts[0]) / 1000  # threads that wait make some calls more or less


def count_instructions(bench, peer, case, folder):
    if not shutil.which("valgrind"):
        raise LeftOut("there is no valgrind")
    value = count_for_each(bench, peer, case, folder, VALGRIND, r"Collected : (\d+)")
    if not value:
        raise LeftOut("its threads take now more, now fewer instructions, by more than messages do")
    result = {"value": value, "unit": ""}
    if shutil.which("strace"):
        result["calls"] = count_for_each(bench, peer, case, folder, STRACE, r"(\d+)(?: +\d+)? +total")
    return result


def count_recorded(bench, path):
    """Messages, by the file's own summary."""
    command = [os.path.join(bench.programs, "../../tools/floe"), "bag", "info", path, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise LeftOut(f"its recording cannot be read: {said_first(done.stderr)}")
    return json.loads(done.stdout)["messages"]


def measure_mcap(bench, peer, case, folder):
    """One recording, which is looked at and removed."""
    arguments = case.quick_arguments if bench.quick and case.quick_arguments else case.arguments
    size, count = arguments[:2]
    path = os.path.join(bench.programs if case.kind == "mcap-disk" else folder, "recording.mcap")
    try:
        command = [bench.program(peer, case), path, *arguments, *(["--dir", folder] if peer.name == "floe" else [])]
        said = json.loads(run(bench, [str(word) for word in command], bench.limit_s))
        if count_recorded(bench, path) != count:
            raise LeftOut("there are not as many messages in its recording as it should have")
    finally:
        remove(path)
    return {"value": said["value"], "unit": "1/s", "bytes_s": size * said["value"],
            "cpu_each": said["cpu_s"] * 1e9 / count, "cpu_gb": said["cpu_s"] * 1e9 / (size * count)}


def measure(bench, peer, case):
    """The figures, or LeftOut."""
    try:
        return measure_once(bench, peer, case)
    except TooLong:
        bench.too_long[peer.name] = bench.too_long.get(peer.name, 0) + 1
        raise


def measure_once(bench, peer, case):
    bench.transcript.begin("")
    bench.check_patience(peer)
    if peer.name in case.left_out:
        raise LeftOut(case.left_out[peer.name])
    if peer.name == "memcpy":
        return measure_memcpy(bench, case)
    bench.program(peer, case)
    before = list_tops()
    folder = tempfile.mkdtemp(prefix="floe-peers-", dir="/dev/shm")
    bench.transcript.begin(folder)
    daemon = None
    try:
        if peer.daemon:
            daemon = Daemon(case, folder, bench.transcript)
        if case.kind == "memory":
            return measure_memory(bench, peer, case, folder, daemon)
        if case.kind == "kill":
            return measure_kill(bench, peer, case, folder, daemon)
        if case.program == "mcap":
            return measure_mcap(bench, peer, case, folder)
        if case.kind == "instructions":
            return count_instructions(bench, peer, case, folder)
        before_s = daemon.cpu_s() if daemon else 0
        result = json.loads(run(bench, bench.command(peer, case, folder),
                                bench.limit_s + bench.budget_ms(case) / 1000))
        if daemon and case.kind == "video":
            result["daemon"] = daemon.cpu_s() - before_s
            result["value"] += result["daemon"]
        return result
    finally:
        if daemon:
            daemon.stop()
        for path in leftovers(folder, before):
            remove(path)
        queue_is_left(folder)
        shutil.rmtree(folder, ignore_errors=True)


def measure_memcpy(bench, case):
    command = [os.path.join(bench.programs, "peer-line"), "memcpy", "--payload", str(case.payload),
               "--budget", str(bench.budget_ms(case)), *map(str, case.arguments)]
    if bench.cores:
        command += ["--cores", bench.cores]
    return json.loads(run(bench, command, bench.limit_s))
