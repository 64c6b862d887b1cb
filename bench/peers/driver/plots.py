# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG, where matplotlib is there."""

import importlib.util
import os
import warnings

# The same peer has the same line in all plots.
STYLE = {
    "line": ("black", "--"), "futex": ("black", ":"), "empty": ("black", "-"), "memcpy": ("gray", "--"),
    "floe": ("#d62728", "-"), "iceoryx2": ("#1f77b4", "-"), "iceoryx": ("#17becf", "-"),
    "cyclone-shm": ("#2ca02c", "-"), "cyclone": ("#2ca02c", ":"), "zeromq": ("#9467bd", "-"),
    "zeromq-inproc": ("#9467bd", ":"), "nng": ("#8c564b", "-"), "mq": ("#e377c2", "-"),
    "socket": ("#ff7f0e", "-"), "pipe": ("#bcbd22", "-"), "gstreamer": ("#7f7f7f", "-"),
    "aeron": ("#1a55ff", ":"), "ring-liburing": ("#1f77b4", "-"), "ring-liburing-mem": ("#1f77b4", ":"),
    "mcap-rust": ("#1f77b4", "-"), "mcap-node": ("#2ca02c", "-"),
    "mcap-python": ("#9467bd", "-"),
}


def lines(results, kind, position):
    """{name: (peer, [(x, least, median, most)])}"""
    found = {}
    for result in results:
        if result.case.kind != kind:
            continue
        for row in result.measured:
            points = found.setdefault(row.peer.name, (row.peer, []))[1]
            points.append((position(result.case), row.least, row.median, row.most))
    return found


def draw_lines(pyplot, results, kind, title, x_title, position, path):
    found = lines(results, kind, position)
    if not any(len(points) > 1 for _, points in found.values()):
        return False
    figure, axes = pyplot.subplots(figsize=(9, 6))
    for peer, points in found.values():
        xs, least, median, most = zip(*sorted(points))
        colour, dash = STYLE.get(peer.name, ("black", "-"))
        axes.plot(xs, median, dash, color=colour, marker=".", label=peer.title,
                  linewidth=2.5 if peer.name == "floe" else 1.3)
        axes.fill_between(xs, least, most, color=colour, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel(x_title)
    axes.set_ylabel("ns; median, least to most shaded")
    axes.set_title(title)
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return True


def draw_bars(pyplot, result, path):
    if len(result.measured) < 2:
        return False
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.35 * len(result.measured)))
    rows = list(reversed(result.measured))
    names = [row.peer.title for row in rows]
    values = [max(row.median, 1e-9) for row in rows]
    errors = [[row.median - row.least for row in rows], [row.most - row.median for row in rows]]
    colours = [STYLE.get(row.peer.name, ("black", "-"))[0] for row in rows]
    axes.barh(names, values, xerr=errors, color=colours, ecolor="black", capsize=2)
    axes.set_xscale("log")
    axes.set_xlim(left=min(row.least or row.median for row in rows) / 3)
    axes.set_xlabel(f"{result.case.unit}; median, least and most"
                    + ("; more is better" if result.case.more_is_better else ""))
    axes.set_title(result.case.title, fontsize=10)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return True


def can_draw():
    return importlib.util.find_spec("matplotlib") is not None


def draw(results, output):
    """Returns (file, title) of each plot."""
    if not can_draw():
        return []
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    matplotlib.rcParams["svg.hashsalt"] = "floe"
    matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: a fifth of the bytes, and it can be searched
    drawn = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, title, x_title, position in (
                ("latency", "One way, 8 bytes of the payload touched", "payload, bytes",
                 lambda case: case.payload),
                ("latency-all", "One way, every byte written and read", "payload, bytes",
                 lambda case: case.payload),
                ("publish", "What sending costs", "receivers",
                 lambda case: int(case.name.split("/")[1]))):
            if draw_lines(pyplot, results, kind, title, x_title, position,
                          os.path.join(output, f"{kind}.svg")):
                drawn.append((f"{kind}.svg", title))
        for result in results:
            if result.case.kind not in ("rate", "wake", "request", "request-sleep", "video", "first",
                                        "memory", "ring", "mcap", "mcap-disk"):
                continue
            name = result.case.name.replace("/", "-").replace(":", "-") + ".svg"
            if draw_bars(pyplot, result, os.path.join(output, name)):
                drawn.append((name, result.case.title))
    return drawn
