# SPDX-License-Identifier: Apache-2.0
"""What came out: on the terminal, as report.md with plots beside it, and as report.json."""

import json
import math
import os
import re
import statistics
from dataclasses import dataclass

from . import plan, plots
from .reasons import TABLES, reason_of
from .transcript import FRESH_FOLDER


def scaled(value, steps, digits=3):
    if value == 0:
        return f"0 {steps[-1][1]}"
    for factor, unit in steps:
        if abs(value) >= factor or factor == steps[-1][0]:
            shown = value / factor
            decimals = max(0, digits - len(str(int(abs(shown)))))
            return f"{shown:.{decimals}f} {unit}".strip()
    return str(value)


def text(value, unit):
    """A figure as people read it."""
    if unit == "ns":
        return scaled(value, ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns")))
    if unit == "1/s":
        return scaled(value, ((1e6, "M/s"), (1e3, "k/s"), (1, "/s")))
    if unit == "B":
        return scaled(value, ((1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")))
    if unit == "B/s":
        return scaled(value, ((1e9, "GB/s"), (1e6, "MB/s")))
    if unit == "s":
        return f"{value:.3f} s"
    return f"{value:.0f}"


class Row:
    """One peer in one case."""

    def __init__(self, store, case, peer):
        self.case, self.peer = case, peer
        self.reason = store.left_out(case, peer)
        self.by_round = store.values(case, peer)
        values = list(self.by_round.values())
        self.median = statistics.median(values) if values else None
        self.least, self.most = (min(values), max(values)) if values else (None, None)
        self.extra = {}
        for key in ("p50", "p99", "p999", "max", "lost", "frames", "camera", "viewer", "daemon", "shared",
                    "descriptors", "threads", "bytes", "after", "calls", "open", "close", "resident", "mappings",
                    "bytes_s", "cpu_each", "cpu_gb",
                    "started", "begun", "receiver_open", "sender_open", "sent"):
            found = list(store.values(case, peer, key).values())
            if found:
                self.extra[key] = statistics.median(found)
        restart = list(store.values(case, peer, "restart").values())
        self.restart = restart[-1] if restart else None
        commands = list(store.values(case, peer, "commands").values())
        self.commands = commands[-1] if commands else []

    def ratio(self, other):
        """Median of the ratios within the rounds."""
        shared = [number for number in self.by_round if other and other.by_round.get(number)]
        if not shared:
            return None
        return statistics.median(self.by_round[n] / other.by_round[n] for n in shared)


    def surely_differs(self, other):
        """Not by chance: no two of their rounds overlap, or within the rounds the same one is ahead so often
        that a coin would do it less than once in twenty times (eight of nine rounds). One round tells nothing,
        unless the case has only one, which counts."""
        if self.case.rounds_max > 1 and min(len(self.by_round), len(other.by_round)) < 2:
            return False
        if self.most < other.least or other.most < self.least:
            return True
        shared = [n for n in self.by_round if n in other.by_round and self.by_round[n] != other.by_round[n]]
        ahead = sum(self.by_round[n] < other.by_round[n] for n in shared)
        rare = range(min(ahead, len(shared) - ahead) + 1)
        return 2 * sum(math.comb(len(shared), k) for k in rare) < 0.05 * 2 ** len(shared)


class Result:
    """One case with all peers, the best first."""

    def __init__(self, store, case, peers):
        self.case = case
        self.rows = [Row(store, case, peer) for peer in peers if plan.takes_part(peer, case)]
        self.measured = [row for row in self.rows if row.median is not None]
        self.measured.sort(key=lambda row: row.median, reverse=case.more_is_better)
        self.left_out = [row for row in self.rows if row.median is None and row.reason]
        self.floe = next((row for row in self.measured if row.peer.name == "floe"), None)
        self.floor = next((row for row in self.measured if row.peer.name == case.floor), None)

    def rivals(self):
        """Peers that are ahead of floe, by however little, and those less than a tenth behind it of whom the
        rounds do not tell whether they are; floors are none. (row, ratio, sure)"""
        if not self.floe or self.case.kind == "kill":
            return []
        found = []
        for row in self.measured:
            ratio = row.ratio(self.floe)
            if row.peer.floor or row is self.floe or not ratio:
                continue
            sure = row.surely_differs(self.floe)
            times = 1 / ratio if self.case.more_is_better else ratio
            if times < 1 or (not sure and times < 1.1):
                found.append((row, ratio, sure))
        return found


def ratio_text(ratio):
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


HEADS = {
    "latency": ["p50", "p99", "p999", "max"],
    "latency-all": ["p50", "p99", "p999", "max"],
    "request": ["p50", "p99", "p999", "max"],
    "request-sleep": ["p50", "p99", "p999", "max"],
    "wake": ["p99", "max"],
    "video": ["camera", "viewer", "daemon", "frames", "lost", "p50", "max"],
    "memory": ["shared", "daemon", "descriptors", "threads"],
    "kill": ["bytes", "after"],
    "instructions": ["calls"],
    "first": ["started", "begun", "receiver_open", "sender_open", "sent"],
    "ring": ["open", "close"],
    "ring-memory": ["resident", "descriptors", "mappings"],
    "mcap": ["bytes_s", "cpu_each", "cpu_gb"],
    "mcap-disk": ["bytes_s", "cpu_each", "cpu_gb"],
}
NAMES = {"p999": "p99.9", "p50": "p50", "after": "left after a restart and an orderly end",
         "daemon": "of it the daemon", "calls": "system calls", "shared": "shared files", "camera": "sender",
         "viewer": "receiver", "p50_video": "p50 delay", "started": "both started at", "begun": "sender's main at",
         "receiver_open": "receiver opens in", "sender_open": "sender opens in", "sent": "sent at", "open": "set up", "close": "torn down",
         "resident": "of it in memory", "bytes_s": "payload", "cpu_each": "CPU for each", "cpu_gb": "CPU for 1 GB"}
UNITS = {"p50": "ns", "p99": "ns", "p999": "ns", "max": "ns", "camera": "s", "viewer": "s",
         "shared": "B", "bytes": "B", "open": "ns", "close": "ns", "resident": "B", "bytes_s": "B/s",
         "cpu_each": "ns", "cpu_gb": "s", "started": "ns", "begun": "ns", "receiver_open": "ns",
         "sender_open": "ns", "sent": "ns"}


def extra_text(row, key):
    if key not in row.extra:
        return ""
    unit = UNITS.get(key, "")
    if key == "calls":
        return f"{row.extra[key]:.2f}"
    if key == "daemon":
        unit = row.case.unit
    return text(row.extra[key], unit)


def table(result):
    """Heads and lines of cells."""
    keys = HEADS.get(result.case.kind, [])
    heads = ["", "least", "median", "most", "x floe", "x floor", *(NAMES.get(key, key) for key in keys)]
    if result.case.kind == "kill":
        heads.append("the same names again")
    lines = []
    for row in result.measured:
        unit = result.case.unit
        line = [row.peer.title + (" (floor)" if row.peer.floor else ""), text(row.least, unit),
                text(row.median, unit), text(row.most, unit), ratio_text(row.ratio(result.floe)),
                ratio_text(row.ratio(result.floor)), *(extra_text(row, key) for key in keys)]
        if result.case.kind == "kill":
            line.append(row.restart or "")
        lines.append(line)
    return heads, lines


def print_table(heads, lines):
    widths = [max(len(str(line[i])) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, *lines]:
        cells = [str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        print("  " + "  ".join(cells).rstrip())


def markdown_table(heads, lines):
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    out += ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]
    return "\n".join(out) + "\n"


@dataclass
class Behind:
    """A peer that is ahead of floe in a case, or even with it."""
    result: Result
    row: Row
    ratio: float
    sure: bool
    reason: str

    def who(self):
        does = "does {:.2f} times as much" if self.result.case.more_is_better else "takes {:.2f} of it"
        unit = self.result.case.unit
        return (f"{self.row.peer.title} {does.format(self.ratio)}: {text(self.row.median, unit)}, "
                f"floe {text(self.result.floe.median, unit)}")


def behind(results):
    """Wherever floe is not first, or only perhaps; what is sure comes first."""
    found = [Behind(result, row, ratio, sure, reason_of(result.case, row.peer))
             for result in results for row, ratio, sure in result.rivals()]
    return sorted(found, key=lambda line: not line.sure)


EVEN = "Now the one is ahead, now the other: this run cannot tell. "


def print_all(results, lines_behind):
    for result in results:
        if not result.measured and not result.left_out:
            continue
        print(f"\n{result.case.title}  [{result.case.name}]")
        if result.measured:
            print_table(*table(result))
        for row in result.left_out:
            print(f"  {row.peer.title}: left out, {row.reason}")
    print("\nWhere floe is not first")
    if not lines_behind:
        print("  nowhere")
    for line in lines_behind:
        print(f"  {line.result.case.title}: {line.who()}. {'' if line.sure else EVEN}{line.reason}")


def machine_text(head):
    m = head["machine"]
    kind = "a virtual machine with" if m["virtual"] else "a machine with"
    return (f"{kind} {m['cores']} cores, {m['processor']}, {m['memory_gib']} GiB; Linux {m['kernel']}, "
            f"{m['system']}, {m['compiler']}; frequency governor {m['governor']}")


def preface(store):
    head = store.head
    counted = [sum(1 for c, p, _ in store.rows if (c, p) == pair)
               for pair in {(c, p) for c, p, _ in store.rows}] or [0]
    rounds = f"{min(counted)} to {max(counted)}" if min(counted) < max(counted) else max(counted)
    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        "# floe side by side with its peers", "",
        "Generated by `" + head["command"] + "`; [README.md](README.md) says what is measured and how.",
        "",
        f"- Machine: {machine_text(head)}.",
        f"- Disturbance: load {head['machine']['load']} before the run"
        + (f", when others took {head['machine']['busy']:.1%} of the processors"
           if "busy" in head["machine"] else "")
        + (f", {head['load_end']} after it; {head['stolen_s']} s taken by the host"
           if "load_end" in head else "") + ".",
        f"- floe {head['floe']}, {head['started']}, rounds of each case: {rounds}.",
        "- Packages: " + ", ".join(f"{name} {version}" for name, version in head["versions"].items())
        + ".", "",
    ]
    if "--realtime" in head["command"]:
        lines += ["The programs ran as SCHED_FIFO, so that other work on the machine did not take their "
                  "cores; what shares caches and memory with them was still there.", ""]
    if head["machine"].get("busy", 0) > 0.1:
        lines += ["**The machine was busy with other work while this was measured.** Compare figures of "
                  "one case with each other, not with those of other reports.", ""]
    return lines


def at_a_glance(results):
    """A line for each case: floe, the best of the others, the floor."""
    lines = []
    for result in results:
        others = [row for row in result.measured if row is not result.floe and not row.peer.floor]
        if not result.floe or not others or result.case.kind == "kill":
            continue
        best = min(others, key=lambda row: (row.ratio(result.floe) or 1) ** (-1 if result.case.more_is_better
                                                                            else 1))
        unit = result.case.unit
        lines.append([result.case.title, text(result.floe.median, unit), best.peer.title,
                      text(best.median, unit), ratio_text(best.ratio(result.floe)),
                      ratio_text(result.floe.ratio(result.floor))])
    return markdown_table(["case", "floe", "best of the others", "its figure", "x floe", "floe x floor"], lines)


OTHERS = {"heap": "Allocators", "record": "Recording"}  # benches with tables of their own


def done_others(store, output):
    """{name: command} of those that ran, in this run or in the one that it goes on with."""
    return {name: store.head.get("others", {}).get(name) for name in OTHERS
            if os.path.exists(os.path.join(output, f"{name}.txt"))}


def command_lines(store, results, output):
    """How each figure can be had again by hand, a list for each case that opens."""
    set_there = [f"`{name}={value}`" for name, value in store.head.get("environment", {}).items()]
    out = ["## Commands", "",
           "What was run, in the root of the sources; `./run bench peers` builds the programs. Before each "
           f"command that names it, `{FRESH_FOLDER}`; the run removes the folder afterwards. Who is pinned is "
           "told by `--cores`; `bench/peers/README.md` says what the others do. Of the variables that floe, the "
           "peers and their languages look at, " + ("these were set: " + ", ".join(set_there) + "."
                                                    if set_there else "none was set.") +
           " What a program prints as `value` is the figure of one round, unless a comment says another.", ""]
    for result in results:
        rows = [row for row in result.rows if row.commands]
        if not rows:
            continue
        out += [f"<details><summary>{result.case.title} ({result.case.name})</summary>", "", "```sh"]
        for row in rows:
            out += [f"# {row.peer.title}" + ("" if row.by_round else ": left out"), *row.commands]
        out += ["```", "", "</details>", ""]
    for name, command in done_others(store, output).items():
        out += [f"<details><summary>./run bench {name}</summary>", "", "```sh", command or "", "```", "",
                "</details>", ""]
    return out


def write_markdown(store, results, lines_behind, drawn, path):
    out = preface(store)
    for title, is_sure, none in (("Where floe is not first", True, "Nowhere in this run."),
                                 ("Where it is even with another", False, "Nowhere: each row tells who is ahead.")):
        lines = [[line.result.case.title, line.who(), line.reason] for line in lines_behind if line.sure == is_sure]
        out += [f"## {title}", ""]
        out += ["" if is_sure else "Now the one is ahead, now the other: this run cannot tell. The ratio is the median "
                "of those within the rounds, the figures are medians.", ""]
        out += [markdown_table(["case", "who, by how much", "reason"], lines)] if lines else [none, ""]
    out += ["## At a glance", "", "Medians of the rounds.", "", at_a_glance(results)]
    out += ["`x floe` and `x floor` are medians of the ratios within the rounds. Floors are no peers: "
            "they keep no promise to anybody.", ""]
    for name, title in drawn:
        out += [f"![{title}]({name})", ""]
    for result in results:
        if not result.measured and not result.left_out:
            continue
        out += [f"## {result.case.title[0].upper()}{result.case.title[1:]}", ""]
        if result.measured:
            out += [markdown_table(*table(result))]
        if result.case.kind in TABLES and result.floe:
            title, heads, lines = TABLES[result.case.kind]
            out += [f"{title}:", "", markdown_table(heads, lines)]
        out += [f"- {row.peer.title}: left out, {row.reason}." for row in result.left_out]
        out += [""] if result.left_out else []
    output = os.path.dirname(path)
    for name in done_others(store, output):
        with open(os.path.join(output, f"{name}.txt"), encoding="utf-8") as file:
            out += [f"## {OTHERS[name]}: ./run bench {name}", "", "```", file.read().rstrip(), "```", ""]
    out += ["## Settings", "", markdown_table(["peer", "settings", "after"],
            [[peer.title, peer.settings, peer.source] for peer in plan.PEERS])]
    out += command_lines(store, results, output)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out).replace("\n\n\n", "\n\n"))


def write_json(store, results, lines_behind, path):
    rows = []
    for result in results:
        for row in result.rows:
            rows.append({"case": result.case.name, "peer": row.peer.name, "unit": result.case.unit,
                         "left_out": row.reason, "rounds": row.by_round, "least": row.least,
                         "median": row.median, "most": row.most, "ratio_floe": row.ratio(result.floe),
                         "ratio_floor": row.ratio(result.floor), "commands": row.commands, **row.extra})
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"head": store.head, "commands": done_others(store, os.path.dirname(path)), "rows": rows,
                   "behind": [{"case": line.result.case.name, "peer": line.row.peer.name, "ratio": line.ratio,
                               "sure": line.sure, "reason": line.reason} for line in lines_behind]},
                  file, indent=1)


def write(store, cases, peers, output):
    results = [Result(store, case, peers) for case in cases]
    lines_behind = behind(results)
    print(f"{machine_text(store.head)}; load {store.head['machine']['load']} before")
    print_all(results, lines_behind)
    drawn = plots.draw(results, output)
    write_markdown(store, results, lines_behind, drawn, os.path.join(output, "report.md"))
    write_json(store, results, lines_behind, os.path.join(output, "report.json"))
    print(f"\nwritten: {os.path.relpath(output)}/report.md, report.json, figures.jsonl"
          + (f" and {len(drawn)} plots" if drawn else "" if plots.can_draw() else
             "; no plots, for want of python3-matplotlib"))


def keep(output, folder):
    """The report as it is kept with the sources: report.md in the folder, plots in a folder below it."""
    with open(os.path.join(output, "report.md"), encoding="utf-8") as file:
        said = file.read().replace("](README.md)", "](peers/README.md)")
    plots_folder = os.path.join(folder, "plots")
    os.makedirs(plots_folder, exist_ok=True)
    for name in re.findall(r"!\[[^]]*\]\(([^)]*)\)", said):
        with open(os.path.join(output, name), encoding="utf-8") as file:
            lines = file.read().splitlines()
        lines.insert(1, "<!-- SPDX-License-Identifier: Apache-2.0 -->")
        with open(os.path.join(plots_folder, name), "w", encoding="utf-8") as file:
            file.write("\n".join(line.rstrip() for line in lines) + "\n")
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as file:
        file.write(re.sub(r"(!\[[^]]*\]\()", r"\1plots/", said))
    print(f"kept: {os.path.relpath(folder)}/report.md, {os.path.relpath(plots_folder)}/")
