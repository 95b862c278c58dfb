#!/usr/bin/env python3
"""Compares what this crate does with what Elixir does, scenario by scenario, in every detail of the traces.

    python3 conformance/compare.py [--handles instance|child] SCENARIOS.jsonl ELIXIR.jsonl OURS.jsonl

A trace is *equal*, or it differs where a decision of DESIGN.md says so and is then exactly what rules.py predicts
with that decision, or it is *unexplained*.  Without decisions rules.py must predict Elixir's trace: else the rules are
wrong.
Exits with 1 if anything is unexplained, or the rules are wrong.
"""
import argparse
import collections
import json
import sys

import rules

# These hold nothing that a decision changes: they must be equal.
EXACT = ("core", "prompt", "window")
SKIPPED = ("stray", "start_invalid")


def expressible(trace):
    """Without what cannot be written in typed Rust: an unknown message (D14), an invalid description (D6)."""
    if trace is None:
        return None
    out = []
    for record in trace:
        record = {k: v for k, v in record.items() if k != "info"}
        # what the dropped one stood between are neighbours now
        record["events"] = rules.sort_runs(e for e in record["events"] if e != ["report", "unexpected_msg"])
        if record["op"] in SKIPPED:
            record["reply"] = "skipped"
        out.append(record)
    return out


def first_difference(expected, got):
    """Where and how two traces differ; empty if they do not."""
    if expected is None or got is None:
        return "no trace"
    for want, have in zip(expected, got):
        if want != have:
            keys = [k for k in sorted(set(want) | set(have)) if want.get(k) != have.get(k)]
            lines = ["operation %s: %s" % (want.get("i"), want.get("op"))]
            for k in keys:
                lines += ["  %s" % k, "    expected %s" % json.dumps(want.get(k))]
                lines += ["    got      %s" % json.dumps(have.get(k))]
            return "\n".join(lines)
    return "" if len(expected) == len(got) else "expected %d records, got %d" % (len(expected), len(got))


def replies(record):
    """The replies of a record: one, or those of a thaw by their operation."""
    if record["op"] == "thaw" and isinstance(record["reply"], list):
        return {late["i"]: late["reply"] for late in record["reply"]}
    return {record["i"]: record["reply"]}


def d3_shows(op, elixir, ours):
    """What of decision D3 a pair of different replies shows; None: nothing that it should."""
    kind = op["op"]
    if kind == "start" and ours == "error:max_children" and elixir != "exit:shutdown":
        return "place"  # a child on its way out still fills it
    if kind == "terminate" and (elixir, ours) == ("error:not_found", "ok"):
        return "joined"
    if kind in ("count", "which", "terminate") and elixir == "exit:shutdown":
        return "answered"  # by a supervisor that waits for its last children
    if kind in ("count", "which") and type(elixir) is type(ours) is not str:
        return "seen"  # listed, counted, though asked to end
    return None


def d3(ops, elixir, ours):
    """How decision D3 shows in a scenario, and what it does not explain."""
    shown, has_place_differed = set(), False
    for e, o in zip(elixir, ours):
        mine = replies(o)
        for i, reply in replies(e).items():
            if reply != mine.get(i) and not has_place_differed:
                what = d3_shows(ops[i] if i < len(ops) else {"op": "final_stop"}, reply, mine.get(i))
                if what is None:
                    return shown, "reply of operation %d: Elixir %s, here %s" % (i, reply, mine.get(i))
                shown.add(what)
        if "place" in shown:
            # a child less from here on, and all that follows from it; the prediction still has to be met
            has_place_differed = True
        for key in ("sup", "children", "counts", "exits"):
            if e[key] != o[key] and not has_place_differed:
                return shown, "%s at rest after operation %d: Elixir %s, here %s" % (key, e["i"], e[key], o[key])
        if sorted(map(json.dumps, e["events"])) != sorted(map(json.dumps, o["events"])) and not has_place_differed:
            return shown, "events of operation %d: Elixir %s, here %s" % (e["i"], e["events"], o["events"])
        if e["events"] != o["events"]:
            shown.add("order")  # the end is told when it has come, after what the supervisor did meanwhile
    return shown, None


class Verdict:
    def __init__(self, kind, shown=(), why=""):
        self.kind, self.shown, self.why = kind, shown, why


def judge(scenario, elixir, ours, handles="instance"):
    if elixir is None:
        return Verdict("failed", why="no trace of Elixir")
    why = first_difference(rules.predict(scenario), [{k: v for k, v in r.items() if k != "info"} for r in elixir])
    if why:
        return Verdict("rules", why="the rules predict Elixir wrongly\n" + why)
    by_child = handles == "child"
    elixir, ours = expressible(elixir), expressible(ours)

    def predicted(*decisions):
        return expressible(rules.predict(scenario, decisions))

    expected = predicted("D3", "D5") if by_child else predicted("D3")
    why = first_difference(expected, ours)
    if why:
        return Verdict("unexplained", why=why)
    if ours == elixir:
        return Verdict("equal")
    if scenario["profile"] in EXACT and not by_child:
        return Verdict("unexplained", why="this profile must be equal\n" + first_difference(elixir, ours))
    if by_child and predicted("D3") == elixir:
        return Verdict("D5")
    if by_child and predicted("D3") != ours:
        return Verdict("D3+D5")
    shown, why = d3(scenario["ops"], elixir, ours)
    if why or not shown:
        return Verdict("unexplained", why="D3 does not explain it\n" + (why or first_difference(elixir, ours)))
    return Verdict("D3 (place)" if "place" in shown else "D3", sorted(shown))


def read(path, what="trace"):
    with open(path) as lines:
        lines = map(json.loads, filter(str.strip, lines))
        return {line["id"]: line if what is None else line.get(what) for line in lines}


KINDS = ("equal", "D3", "D3 (place)", "D5", "D3+D5", "unexplained", "rules", "failed")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--handles", choices=("instance", "child"), default="instance")
    p.add_argument("--show", type=int, default=5, help="how many that are unexplained to show (default 5)")
    p.add_argument("scenarios")
    p.add_argument("elixir")
    p.add_argument("ours")
    a = p.parse_args()
    scenarios, elixir, ours = read(a.scenarios, None), read(a.elixir), read(a.ours)
    table = collections.defaultdict(collections.Counter)
    shown = collections.Counter()
    bad = 0
    for name, scenario in scenarios.items():
        verdict = judge(scenario, elixir.get(name), ours.get(name), a.handles)
        table[scenario["profile"]][verdict.kind] += 1
        shown.update(verdict.shown)
        if verdict.why:
            bad += 1
            if bad <= a.show:
                print("%s: %s\n%s\n" % (name, verdict.kind, verdict.why))
    foreign = sorted((set(elixir) | set(ours)) - set(scenarios), key=str)
    if foreign or not scenarios:
        bad += 1
        print("traces without a scenario: %s\n" % foreign[:5] if foreign else "no scenarios\n")
    kinds = [k for k in KINDS if k in ("equal", "D3", "unexplained") or any(row[k] for row in table.values())]
    print("%-10s%11s" % ("profile", "scenarios") + "".join("%13s" % k for k in kinds))
    for profile, row in table.items():
        print("%-10s%11d" % (profile, sum(row.values())) + "".join("%13d" % row[k] for k in kinds))
    if shown:
        print("how D3 shows: " + ", ".join("%s %d" % item for item in sorted(shown.items())))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
