#!/usr/bin/env python3
"""The rules of Elixir's DynamicSupervisor: predicts the trace of each scenario, without Elixir.

    python3 conformance/rules.py SCENARIOS.jsonl > PREDICTED.jsonl
    python3 conformance/rules.py --decisions D3,D5 SCENARIOS.jsonl

Without decisions its output is equal to what Elixir does; that is checked on every comparison.  With a decision it
predicts what this crate does where it means to differ (DESIGN.md has the list):

    D3  a terminate does not hold up the supervisor: it goes on, the child stays in its place until it is gone
    D5  a handle names the child, not one instance of it: it is not stale after a restart

Time stands still, except for the operation "sleep".
"""
import argparse
import collections
import itertools
import json

QUIET = ("normal", "shutdown", "shutdown_x")
ERRORS = {"error": "found", "bad": "bad", "raise": "raise:oops", "throw": "throw:oops", "exit": "oops"}
INVALID = {"spec": "invalid_child_spec", "mfa": "invalid_mfa", "restart": "invalid_restart_type",
           "shutdown": "invalid_shutdown", "type": "invalid_child_type", "modules": "invalid_modules"}
DECISIONS = ("D3", "D5")


def restart_type(spec):
    return spec.get("restart", "permanent")


class Down(Exception):
    """The supervisor ends with this reason."""


class Supervisor:
    def __init__(self, options, decisions=()):
        self.decisions = decisions
        self.max_restarts = options.get("max_restarts", 3)
        self.max_seconds = options.get("max_seconds", 5)
        self.max_children = options.get("max_children")
        self.extra = options.get("extra", [])
        self.children = {}      # the instance that started last -> [spec, is it being restarted?]
        self.leaving = {}       # D3: instance that was asked to end and takes its time -> its reason, is it in order?
        self.restarts = []      # times of restarts, whole seconds
        self.inbox = collections.deque()
        self.closing = None     # the reason it is about to end with
        self.down = None        # the reason it ended with
        self.ms = 0
        # the world outside of it
        self.alive = {}         # instance -> spec
        self.newest = {}        # label -> instance
        self.first = {}
        self.calls = {}         # label -> how often the start function was called
        # what the present operation brings about
        self.events, self.exits = [], []

    # -- starting ---------------------------------------------------------------------------

    def call_start(self, spec):
        """Calls the start function. Answers (outcome, instance), or ("error", why)."""
        label = spec["child"]
        n = self.calls[label] = self.calls.get(label, 0) + 1
        given = spec.get("starts", [])
        outcome = given[n - 1] if n <= len(given) else spec.get("then", "ok")
        instance = "%s#%d" % (label, n)
        self.events.append(["start", instance, outcome] + ([self.extra] if self.extra else []))
        if outcome in ERRORS:
            return "error", ERRORS[outcome]
        if outcome == "ignore":
            return "ignore", None
        self.alive[instance] = spec
        self.newest[label] = instance
        self.first.setdefault(label, instance)
        lives = spec.get("lives", [])
        life = lives[n - 1] if n <= len(lives) else spec.get("then_life", "run")
        if life != "run":
            self.die(instance, life)
        return outcome, instance

    def die(self, instance, reason):
        """By itself: the supervisor is told."""
        del self.alive[instance]
        self.exits.append([instance, reason])
        self.inbox.append(("exited", instance, reason))

    def start_child(self, spec):
        # every entry fills a place: running, being restarted, dead but not noticed, on its way out (D3)
        if self.max_children is not None and len(self.children) >= self.max_children:
            return "error:max_children"
        outcome, got = self.call_start(spec)
        if outcome in ("ok", "ok_info"):
            self.children[got] = [spec, False]
            return outcome
        return "ignore" if outcome == "ignore" else "error:" + got

    # -- restarting -------------------------------------------------------------------------

    def exited(self, instance, reason):
        if instance not in self.children:
            return
        spec = self.children[instance][0]
        if restart_type(spec) != "permanent" and reason in QUIET:
            del self.children[instance]
            return
        self.report("child_terminated", reason, instance, spec)
        if restart_type(spec) == "temporary":
            del self.children[instance]
        else:
            self.restart(instance)

    def restart(self, instance):
        spec = self.children[instance][0]
        # each try is noted before it is made
        now = self.ms // 1000
        self.restarts = [t for t in [now] + self.restarts if now <= t + self.max_seconds]
        if len(self.restarts) > self.max_restarts:
            self.report("shutdown", "reached_max_restart_intensity", instance, spec)
            del self.children[instance]
            raise Down("shutdown")
        outcome, got = self.call_start(spec)
        if outcome == "error":
            self.report("start_error", got, "restarting:" + instance, spec)
            self.children[instance][1] = True
            self.inbox.append(("again", instance))
        else:
            del self.children[instance]
            if outcome != "ignore":
                self.children[got] = [spec, False]

    # -- ending -----------------------------------------------------------------------------

    def terminate(self, instances):
        for instance in instances:
            spec, is_restarting = self.children[instance]
            if instance in self.leaving:
                continue  # D3: joins the terminate that goes on
            if is_restarting:
                del self.children[instance]
                continue
            notice = next((m for m in self.inbox if m[:2] == ("exited", instance)), None)
            if notice:  # dead already, the supervisor only did not get to it
                self.inbox.remove(notice)
                self.gone(instance, notice[2], notice[2] == "normal" and restart_type(spec) != "permanent")
                continue
            reason, is_in_order, takes_time = self.how_it_ends(spec)
            if takes_time and "D3" in self.decisions:
                self.leaving[instance] = reason, is_in_order
            else:
                del self.alive[instance]
                self.exits.append([instance, reason])
                self.gone(instance, reason, is_in_order)

    def gone(self, instance, reason, is_in_order):
        """A child is gone that was told to go."""
        spec = self.children.pop(instance)[0]
        if not is_in_order:
            self.report("shutdown_error", reason, instance, spec)

    @staticmethod
    def how_it_ends(spec):
        """With which reason a child that is told to end does so, is that in order, and does it take time?"""
        how = spec.get("on_shutdown", "die")
        limit = spec.get("shutdown", "infinity" if spec.get("type") == "supervisor" else 5000)
        if limit == "brutal_kill":
            return "killed", True, False
        if how == "ignore":
            return "killed", False, True
        if how.startswith("slow:"):
            is_in_time = limit == "infinity" or int(how[5:]) < limit
            return ("shutdown", True, True) if is_in_time else ("killed", False, True)
        reason = "shutdown" if how == "die" else how[len("exit:"):]
        is_fine = reason in ("shutdown", "shutdown_x") or reason == "normal" and restart_type(spec) != "permanent"
        return reason, is_fine, False

    def close(self, reason):
        self.closing = reason
        self.terminate(list(self.children))
        if not self.leaving:
            self.end()

    def end(self):
        if self.closing not in QUIET:
            self.events.append(["report", "sup_crash", self.closing])
        self.down = self.closing

    def let_time_pass(self):
        """D3: whoever takes time to end has ended."""
        for instance, (reason, is_in_order) in self.leaving.items():
            del self.alive[instance]
            self.exits.append([instance, reason])
            self.gone(instance, reason, is_in_order)
        self.leaving = {}
        if self.closing is not None and self.down is None:
            self.end()

    # -- requests ---------------------------------------------------------------------------

    def report(self, kind, reason, instance, spec):
        self.events.append(["report", kind, reason, instance, restart_type(spec)])

    def counts(self):
        types = [spec.get("type", "worker") for spec, _ in self.children.values()]
        return {"specs": len(types), "active": sum(not restarting for _, restarting in self.children.values()),
                "supervisors": types.count("supervisor"), "workers": types.count("worker")}

    def which(self):
        return sorted(["restarting" if is_restarting else instance, spec.get("type", "worker")]
                      for instance, (spec, is_restarting) in self.children.items())

    def request(self, op, target):
        kind = op["op"]
        if kind == "start":
            # only D3 has a supervisor that answers while it waits for its last children
            return self.start_child(op) if self.closing is None else "exit:" + self.closing
        if kind == "terminate":
            if "D5" in self.decisions and target is not None:
                label = target.split("#")[0]
                target = next((i for i in self.children if i.split("#")[0] == label), None)
            if target not in self.children:
                return "error:not_found"
            self.terminate([target])
            return "ok"
        return self.counts() if kind == "count" else self.which()

    def target(self, op):
        """The handle that a terminate is sent with."""
        if op["op"] != "terminate":
            return None
        known = {"current": self.newest, "first": self.first, "stranger": {}}[op.get("handle", "current")]
        return known.get(op["child"])

    def work(self):
        """Handles everything in the inbox, in order. Answers the replies of requests."""
        replies = {}
        while self.inbox and self.down is None:
            what, *args = self.inbox.popleft()
            try:
                if what == "request":
                    i, op, target = args
                    replies[i] = self.request(op, target)
                elif what == "stray":
                    self.events.append(["report", "unexpected_msg"])
                elif self.closing is not None:
                    pass  # D3: it waits for its last children, nobody is restarted any more
                elif what == "exited":
                    self.exited(*args)
                elif what == "again" and args[0] in self.children:
                    self.restart(args[0])
                elif what == "stop":
                    raise Down(args[0])
            except Down as down:
                self.close(str(down))
        self.let_time_pass()
        for what, *args in self.inbox:
            if what == "request":
                replies[args[0]] = "exit:" + self.down
        self.inbox.clear()
        return replies


def sort_runs(events):
    """Neighbouring shutdown_error reports come in no meaningful order."""
    out = []
    for is_shutdown_error, run in itertools.groupby(events, lambda e: e[:2] == ["report", "shutdown_error"]):
        out += sorted(run) if is_shutdown_error else run
    return out


def simulate(options, ops, decisions=()):
    """The records of these operations, and the supervisor as it is after them."""
    s = Supervisor(options, decisions)
    records, is_frozen, queued = [], False, []
    for i, op in enumerate(ops):
        kind, reply = op["op"], "ok"
        if kind == "final_stop" and is_frozen:
            s.work()
            is_frozen = False
        if kind == "freeze":
            reply = "skipped" if is_frozen or s.down else "ok"
            if reply == "ok":
                is_frozen, queued = True, []
        elif kind == "thaw":
            reply = "skipped"
            if is_frozen:
                is_frozen = False
                got = s.work()
                reply = [{"i": q, "reply": got[q]} for q in queued]
        elif kind == "sleep":
            s.ms += op["ms"]
        elif kind == "exit":
            instance = s.newest.get(op["child"])
            if instance in s.alive:
                s.die(instance, "killed" if op["reason"] == "kill" else op["reason"])
                if not is_frozen:
                    s.work()
            else:
                reply = "not_running"
        elif kind == "parent_exit":
            if is_frozen:
                reply = "skipped"
            elif s.down is None:
                s.inbox.append(("stop", op["reason"]))
                s.work()
        elif kind == "stray":
            s.inbox.append(("stray",))
            if not is_frozen:
                s.work()
        elif kind == "start_invalid":
            reply = "error:" + INVALID[op["kind"]]  # refused before the supervisor is asked
        elif s.down is not None:
            reply = "exit:noproc"
        elif kind in ("stop", "final_stop"):
            s.inbox.append(("stop", op.get("reason", "shutdown")))
            s.work()
        else:
            s.inbox.append(("request", i, op, s.target(op)))
            if is_frozen:
                queued.append(i)
                reply = "queued"
            else:
                reply = s.work()[i]
        is_up = s.down is None and not is_frozen
        records.append({
            "i": i, "op": kind, "reply": reply, "events": sort_runs(s.events), "exits": sorted(s.exits),
            "sup": "frozen" if is_frozen else "up" if is_up else "down:" + s.down,
            "children": s.which() if is_up else None, "counts": s.counts() if is_up else None})
        s.events, s.exits = [], []
    return records, s


def predict(scenario, decisions=()):
    """The trace of a scenario."""
    return simulate(scenario.get("sup", {}), scenario["ops"] + [{"op": "final_stop"}], decisions)[0]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--decisions", type=lambda text: [d for d in text.split(",") if d], default=[],
                   help="of %s, separated by commas" % ", ".join(DECISIONS))
    p.add_argument("scenarios", type=argparse.FileType("r"))
    a = p.parse_args()
    if set(a.decisions) - set(DECISIONS):
        p.error("decisions are " + ", ".join(DECISIONS))
    for line in a.scenarios:
        if line.strip():
            scenario = json.loads(line)
            print(json.dumps({"id": scenario["id"], "trace": predict(scenario, a.decisions)}))


if __name__ == "__main__":
    main()
