#!/usr/bin/env python3
"""Makes one file of the corpus out of scenarios and what Elixir did with them.

    python3 conformance/corpus.py SCENARIOS.jsonl ELIXIR.jsonl conformance/corpus/batch.jsonl.xz

One line for each scenario: {"scenario", "trace"}, and what is expected here where a decision has it differ: "D3", and
"D3+D5" with handles that name the child.  Fails if the rules do not predict Elixir's trace.
"""
import json
import lzma
import sys

import compare
import rules


def entry(scenario, trace):
    trace = trace and [{k: v for k, v in record.items() if k != "info"} for record in trace]
    why = compare.first_difference(rules.predict(scenario), trace)
    if why:
        sys.exit("%s: the rules predict Elixir wrongly\n%s" % (scenario["id"], why))
    entry = {"scenario": scenario, "trace": trace}
    expected = compare.expressible(trace)
    for decisions in ["D3"], ["D3", "D5"]:
        predicted = compare.expressible(rules.predict(scenario, decisions))
        if predicted != expected:
            entry["+".join(decisions)] = expected = predicted
    return json.dumps(entry, separators=(",", ":")) + "\n"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    scenarios, traces = compare.read(sys.argv[1], None), compare.read(sys.argv[2])
    text = "".join(entry(scenario, traces.get(name)) for name, scenario in scenarios.items())
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    packed = lzma.compress(text.encode(), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=filters)
    with open(sys.argv[3], "wb") as out:
        out.write(packed)
    print("%s: %d scenarios, %d KiB" % (sys.argv[3], len(scenarios), (len(packed) + 1023) // 1024))


if __name__ == "__main__":
    main()
