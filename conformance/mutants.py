#!/usr/bin/env python3
"""How sharp the corpus is: puts one wrong rule after another into rules.py and counts the scenarios that show it.

    python3 conformance/mutants.py

Exits with 1 if there is a wrong rule that no scenario shows.
"""
import json
import lzma
import pathlib
import sys
import types

HERE = pathlib.Path(__file__).parent
PROFILES = ("core", "prompt", "batch", "full", "window")
MUTANTS = [
    ('the limit is reached one restart early', 'len(self.restarts) > self.max_restarts',
     'len(self.restarts) >= self.max_restarts'),
    ('the limit is reached one restart late', 'len(self.restarts) > self.max_restarts',
     'len(self.restarts) > self.max_restarts + 1'),
    ('tries that failed are not counted', 'self.inbox.append(("again", instance))',
     'self.restarts.pop(0); self.inbox.append(("again", instance))'),
    ('a restart that works clears the window', '                self.children[got] = [spec, False]\n\n    # -- ending',
     '                self.children[got] = [spec, False]; self.restarts = []\n\n    # -- ending'),
    ('the window never forgets', 'if now <= t + self.max_seconds', 'if True'),
    ('the window forgets at once', 'if now <= t + self.max_seconds', 'if False'),
    ('max_children counts only who runs', 'len(self.children) >= self.max_children',
     'sum(not again for _, again in self.children.values()) >= self.max_children'),
    ('max_children has a place too many', 'len(self.children) >= self.max_children',
     'len(self.children) > self.max_children'),
    ('a try comes before requests that wait', 'self.inbox.append(("again", instance))',
     'self.inbox.appendleft(("again", instance))'),
    ('a child being restarted cannot be terminated', 'if target not in self.children:',
     'if target not in self.children or self.children[target][1]:'),
    ('a handle is not stale after a restart', '"D5" in self.decisions and', ''),
    ('a terminate does not block', 'takes_time and "D3" in self.decisions', 'takes_time'),
    ('a terminated child is tried again',
     '                del self.children[instance]\n                continue\n            notice',
     '                continue\n            notice'),
    ('declining to come back is a failure', '        if outcome == "error":\n',
     '        if outcome in ("error", "ignore"):\n            got = got or "ignore"\n'),
    ('transient comes back after shutdown_x', 'reason in QUIET:\n            del',
     'reason in QUIET[:2]:\n            del'),
    ('transient comes back after normal', 'reason in QUIET:\n            del', 'reason in QUIET[1:]:\n            del'),
    ('permanent does not come back after normal', 'restart_type(spec) != "permanent" and reason in QUIET:',
     'reason == "normal":'),
    ('transient does not come back after killed', 'restart_type(spec) != "permanent" and reason in QUIET:',
     'restart_type(spec) != "permanent" and reason in QUIET + ("killed",):'),
    ('temporary comes back', 'if restart_type(spec) == "temporary":', 'if False:'),
    ('an end of a temporary child is not reported', '        self.report("child_terminated"',
     '        if restart_type(spec) != "temporary": self.report("child_terminated"'),
    ('the default restart type is transient', 'spec.get("restart", "permanent")', 'spec.get("restart", "transient")'),
    ('the default of max_restarts is 1', 'options.get("max_restarts", 3)', 'options.get("max_restarts", 1)'),
    ('permanent that ends normally when asked is in order',
     'reason == "normal" and restart_type(spec) != "permanent"\n        return',
     'reason == "normal"\n        return'),
    ('a kill after the time limit is in order', 'return "killed", False, True\n        if',
     'return "killed", True, True\n        if'),
    ('a crash on shutdown is not reported', 'is_fine = ', 'is_fine = reason == "boom" or '),
    ('dead but not noticed: quiet ends are in order', 'notice[2] == "normal" and restart_type(spec) != "permanent"',
     'notice[2] in QUIET'),
    ('brutal_kill asks first', 'return "killed", True, False', 'return "shutdown", True, False'),
    ('the limit ends it with a crash', 'raise Down("shutdown")', 'raise Down("boom")'),
    ('extra arguments are not handed on', '([self.extra] if self.extra else [])', '[]'),
]


def rules_with(old="", new=""):
    source = (HERE / "rules.py").read_text()
    assert not old or source.count(old) == 1, "%d times in rules.py: %s" % (source.count(old), old)
    module = types.ModuleType("mutant")
    exec(source.replace(old, new) if old else source, module.__dict__)

    # a child that never comes back must not be tried for ever
    call_start, limit = module.Supervisor.call_start, 1000

    def call_start_at_most(supervisor, spec):
        if sum(supervisor.calls.values()) >= limit:
            raise RuntimeError("does not come to rest")
        return call_start(supervisor, spec)

    module.Supervisor.call_start = call_start_at_most
    return module


def shows(mutant, scenario, trace):
    try:
        return mutant.predict(scenario) != trace
    except Exception:  # so wrong that it does not even work
        return True


def main():
    corpus = {}
    for profile in PROFILES:
        with lzma.open(HERE / "corpus" / (profile + ".jsonl.xz"), "rt") as lines:
            corpus[profile] = [(entry["scenario"], entry["trace"]) for entry in map(json.loads, lines)]
    assert not any(shows(rules_with(), *entry) for entries in corpus.values() for entry in entries)

    print("| wrong rule | " + " | ".join(PROFILES) + " |\n| --- |" + " --- |" * len(PROFILES))
    print("| (scenarios) | " + " | ".join(str(len(corpus[profile])) for profile in PROFILES) + " |")
    unseen = []
    for name, old, new in MUTANTS:
        mutant = rules_with(old, new)
        found = [sum(shows(mutant, *entry) for entry in corpus[profile]) for profile in PROFILES]
        print("| %s | " % name + " | ".join(map(str, found)) + " |", flush=True)
        if not any(found):
            unseen.append(name)
    if unseen:
        sys.exit("no scenario shows: " + "; ".join(unseen))


if __name__ == "__main__":
    main()
