# SPDX-License-Identifier: Apache-2.0
"""All figures of one run, line by line in a file, so that a run that was stopped can go on."""

import json
import os


class Store:
    def __init__(self, path, head, resume):
        self.path = path
        self.rows = {}
        if resume and os.path.exists(path):
            self.head = self.read(head)
            return
        self.head = head
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(head) + "\n")

    def read(self, head):
        """A line that was cut off by a stop is left out."""
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        old = json.loads(lines[0])
        if old["quick"] != head["quick"]:
            raise SystemExit(f"run: {self.path} is of a {'quick' if old['quick'] else 'full'} run")
        for line in lines[1:]:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            self.rows[row["case"], row["peer"], row["round"]] = row
        return old

    def has(self, case, peer, number):
        return (case.name, peer.name, number) in self.rows

    def add(self, case, peer, number, result):
        row = {"case": case.name, "peer": peer.name, "round": number, **result}
        self.rows[case.name, peer.name, number] = row
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def left_out(self, case, peer):
        """The sentence, when it was left out in every round so far."""
        rows = [row for (c, p, _), row in self.rows.items() if (c, p) == (case.name, peer.name)]
        if rows and all("left_out" in row for row in rows):
            return rows[-1]["left_out"]
        return None

    def values(self, case, peer, key="value"):
        """{round: figure}"""
        return {number: row[key] for (c, p, number), row in self.rows.items()
                if (c, p) == (case.name, peer.name) and key in row}
