# SPDX-License-Identifier: Apache-2.0
"""What was run, as a shell runs it again: in the root of the sources, with DIR a fresh folder."""

import os
import re
import shlex

# Variables that peers, their languages and floe look at.
LOOKED_AT = re.compile(r"^(FLOE|CYCLONEDDS|ICEORYX|IOX|ZMQ|NNG|GST|GO|CARGO|RUST|JAVA|JDK|NODE|PYTHON|MALLOC|"
                       r"GLIBC|LD)_\w+$|^(GOGC|GODEBUG|GOMAXPROCS|GOMEMLIMIT|CLASSPATH)$")
FRESH_FOLDER = 'DIR=$(mktemp -d /dev/shm/floe-peers-XXXXXX)'


def environment():
    """Of the run: what may change what it measures."""
    return {name: value for name, value in sorted(os.environ.items())
            if LOOKED_AT.match(name) and name != "FLOE_BUILD"}


class Transcript:
    """Of one measurement."""

    def __init__(self, root):
        self.root = root
        self.begin("")

    def begin(self, folder):
        self.folder, self.lines = folder, []

    def word(self, word):
        """One word of a command; no folder of this machine is in it."""
        word = str(word)
        if os.path.isabs(word) and word.startswith(self.root + os.sep):
            word = os.path.relpath(word, self.root)
        if self.folder and self.folder in word:
            return '"' + word.replace(self.folder, "$DIR") + '"'
        return shlex.quote(word)

    def command(self, command, variables=None, background=False):
        set_here = [f"{name}={self.word(value)}" for name, value in (variables or {}).items()]
        self.lines.append(" ".join([*set_here, *map(self.word, command), *(["&"] if background else [])]))

    def file(self, path, text):
        quoted = shlex.quote(text.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n"))
        self.lines.append(f"printf {quoted} >{self.word(path)}")

    def note(self, sentence):
        self.lines.append(f"# {sentence}")
