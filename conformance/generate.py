#!/usr/bin/env python3
"""Makes random scenarios (JSON lines); README.md tells the format and the profiles.

    python3 conformance/generate.py --profile batch --seed 1 --count 200 > SCENARIOS.jsonl

The same arguments always give the same scenarios.  The rules are asked which children are alive, so that most
operations aim at one that is, and few follow the end of the supervisor.
"""
import argparse
import json
import random

import rules

PROFILES = ("core", "prompt", "batch", "full", "window")
WITH_BATCHES = ("prompt", "batch", "full")
REASONS = ["normal", "shutdown", "shutdown_x", "boom"]


def pick(r, weighted):
    return r.choices([w[0] for w in weighted], [w[1] for w in weighted])[0]


def child(r, label, profile):
    """A start operation with a random child that cannot hang."""
    op = {"op": "start", "child": label}
    restart = pick(r, [("permanent", 4), ("transient", 4), ("temporary", 3), (None, 1)])
    if restart:
        op["restart"] = restart
    if r.random() < 0.2:
        op["type"] = "supervisor"
    add_shutdown(r, op, profile)
    add_starts(r, op, profile)
    if profile == "core" and r.random() < 0.2:  # ends by itself right after some starts
        lives = [("run", 2), ("boom", 3), ("normal", 2), ("shutdown", 1), ("shutdown_x", 1)]
        op["lives"] = [pick(r, lives) for _ in range(r.randint(1, 3))]
        if r.random() < 0.1:  # after every start
            op["then_life"] = pick(r, lives)
    return op


def add_shutdown(r, op, profile):
    how = pick(r, [("die", 8), ("ignore", 2), ("slow:15", 1), ("slow:4000", 1), ("exit:normal", 2),
                   ("exit:shutdown", 1), ("exit:shutdown_x", 1), ("exit:boom", 2)])
    if profile == "window":
        how = "die"
    if how != "die":
        op["on_shutdown"] = how
    if profile == "prompt" and how in ("ignore", "slow:15", "slow:4000"):
        op["shutdown"] = "brutal_kill"  # nothing that a terminate would have to wait for
        return
    # Never a child that would be waited for for ever, and never a close race of two times: a machine that is busy with
    # other things may stop for a good part of a second.
    limits = {"ignore": [20, 40, "brutal_kill"], "slow:4000": [20, 40], "slow:15": [5000, "infinity"]}
    if how != "die" or r.random() < 0.7:  # else the default
        op["shutdown"] = r.choice(limits.get(how, [1000, 5000, "infinity", "brutal_kill"]))


def add_starts(r, op, profile):
    bad = ["error", "raise"] + (["bad", "throw", "exit"] if profile == "full" else [])
    good = [("ok", 6), ("ok_info", 1)]
    x = r.random()
    if x < 0.12:  # never starts
        op["starts"] = [r.choice(bad + ["ignore"])]
    elif x < 0.45:  # starts, then has some trouble to come back
        tries = good + [(b, 9 / len(bad)) for b in bad] + [("ignore", 1)]
        op["starts"] = [pick(r, good)] + [pick(r, tries) for _ in range(r.randint(1, 3))]
        y = r.random()
        if y < 0.1:
            op["then"] = r.choice(bad)
        elif y < 0.2:
            op["then"] = "ignore"
    elif x < 0.5:
        op["starts"] = ["ok_info"]


def call(r, labels, live, profile):
    """One operation other than start."""
    ops = [("exit", 35), ("terminate", 14), ("count", 4), ("which", 4)]
    if profile == "full":
        ops += [("stray", 3), ("start_invalid", 4)]
    op = pick(r, ops)
    label = r.choice(live if live and r.random() < 0.88 else labels)
    if op == "exit":
        reasons = [("normal", 2), ("shutdown", 1), ("shutdown_x", 1), ("boom", 4), ("kill", 2)]
        return {"op": "exit", "child": label, "reason": pick(r, reasons)}
    if op == "terminate":
        d = {"op": "terminate", "child": label}
        if profile == "full" and r.random() < 0.3:
            d["handle"] = r.choice(["first", "stranger"])
        return d
    if op == "start_invalid":
        return {"op": op, "kind": r.choice(sorted(rules.INVALID))}
    return {"op": op}


class Scenario:
    def __init__(self, r, profile):
        self.r, self.profile = r, profile
        self.labels, self.ops = [], []
        self.sup = {}
        if r.random() < 0.9:
            self.sup["max_restarts"] = pick(r, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 4), (20, 4)])
        if r.random() < 0.9:
            self.sup["max_seconds"] = 3600
        if r.random() < 0.35:
            self.sup["max_children"] = r.randint(0, 3) if r.random() < 0.2 else r.randint(1, 3)
        if profile == "full" and r.random() < 0.2:
            self.sup["extra"] = ["e%d" % n for n in range(r.randint(1, 2))]
        if profile == "window":
            self.sup = {"max_restarts": r.randint(1, 3), "max_seconds": 1}

    def now(self):
        return rules.simulate(self.sup, self.ops)[1]

    @staticmethod
    def live(supervisor):
        return sorted({instance.split("#")[0] for instance in supervisor.alive})

    def next_label(self):
        return "c%d" % (len(self.labels) + 1)

    def start(self, op=None):
        op = op or child(self.r, self.next_label(), self.profile)
        self.labels.append(op["child"])
        self.ops.append(op)

    def call(self, supervisor=None):
        live = self.live(supervisor or self.now())
        self.ops.append(call(self.r, self.labels, live, self.profile))

    def queue(self, count):
        """Some operations while the supervisor is frozen."""
        for _ in range(count):
            if self.r.random() < 0.2:
                self.start()
            else:
                self.call()

    def batch(self):
        self.ops.append({"op": "freeze"})
        self.queue(self.r.randint(2, 5))
        self.ops.append({"op": "thaw"})

    def comes_back_late(self):
        """A child that fails to come back a few times, and requests between the tries."""
        r, label = self.r, self.next_label()
        fails = [r.choice(["error", "raise"]) for _ in range(r.randint(1, 4))]
        op = {"op": "start", "child": label, "restart": r.choice(["permanent", "transient"]),
              "starts": ["ok"] + fails, "shutdown": r.choice([1000, "brutal_kill"])}
        if r.random() < 0.3:
            op["type"] = "supervisor"
        if r.random() < 0.2:
            op["then"] = "ignore"
        self.start(op)
        self.about(label, {"op": "exit", "child": label, "reason": "boom"})

    def leaves_late(self):
        """A child that takes its time to end, and requests meanwhile."""
        label = self.next_label()
        how, limit = self.r.choice([("ignore", 20), ("slow:15", 5000), ("slow:4000", 40)])
        self.start({"op": "start", "child": label, "restart": self.r.choice(["permanent", "temporary"]),
                    "on_shutdown": how, "shutdown": limit})
        terminate = {"op": "terminate", "child": label}
        if self.r.random() < 0.4:  # does the next one find a place?
            self.ops += [{"op": "freeze"}, terminate]
            self.start()
            self.ops.append({"op": "thaw"})
        else:
            self.about(label, terminate)

    def about(self, label, op):
        """A batch: this, then requests that have mostly to do with it."""
        self.ops += [{"op": "freeze"}, op]
        for _ in range(self.r.randint(1, 3)):
            x = self.r.random()
            if x < 0.3:
                self.ops.append({"op": "terminate", "child": label})
            elif x < 0.7:
                self.ops.append({"op": self.r.choice(["count", "which"])})
            else:
                self.queue(1)
        self.ops.append({"op": "thaw"})

    def go_on(self):
        """One more step; answers whether another may follow."""
        r, profile, now = self.r, self.profile, self.now()
        x = r.random()
        if now.down:
            if r.random() < 0.3:
                self.start()
            self.call(now)
            return False
        if x < 0.28 or x < 0.7 and not now.alive:
            self.start()
        elif x < 0.31:
            self.ops.append({"op": r.choice(["stop", "parent_exit"]), "reason": r.choice(REASONS)})
        elif profile in WITH_BATCHES and x < 0.42:
            self.batch()
        elif profile in WITH_BATCHES and x < 0.52:
            self.comes_back_late()
        elif profile in ("batch", "full") and x < 0.55:
            self.leaves_late()
        elif profile == "window" and x < 0.5 and sum(op["op"] == "sleep" for op in self.ops) < 2:
            self.ops.append({"op": "sleep", "ms": 2100})
        else:
            self.call(now)
        return True


def scenario(r, name, profile):
    s = Scenario(r, profile)
    s.start()
    for _ in range(r.randint(4, 14)):
        if not s.go_on():
            break
    return {"id": name, "profile": profile, "sup": s.sup, "ops": s.ops}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--profile", required=True, choices=PROFILES)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=200)
    a = p.parse_args()
    r = random.Random("%s %d" % (a.profile, a.seed))
    for n in range(a.count):
        print(json.dumps(scenario(r, "%s-%d-%d" % (a.profile, a.seed, n), a.profile)))


if __name__ == "__main__":
    main()
