# SPDX-License-Identifier: Apache-2.0
"""Why floe is not first, where that has been looked into: found by profiling, said in a sentence."""

REASONS = {}


def reason_of(case, peer):
    """The most special one that is known: of case and peer, of the case, of its kind."""
    for key in ((case.name, peer.name), (case.kind, peer.name), (case.name, None), (case.kind, None)):
        if key in REASONS:
            return REASONS[key]
    return "Not looked into."
