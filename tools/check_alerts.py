#!/usr/bin/env python3
"""check_alerts.py [--self-test]: are the alert rules (deploy/alerts.yml) what they say?

Every metric that a rule names is in the table of metrics (docs/metrics.md), every alert has its
line in docs/operations.md and a reason in a comment above it, and promtool, where it is installed,
can read them. Exits with 77 (skipped) after the other checks where promtool is not installed.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77


def known_metrics(table):
    """Names as /metrics serves them: a histogram has three."""
    names = set()
    for name, kind in re.findall(r"^\| `(engram_\w+)` \| (\w+)", table, re.M):
        names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" \
            else {name}
    return names


def problems(rules, table, operations):
    metrics = known_metrics(table)
    found = [f"{name} is not in docs/metrics.md"
             for name in sorted(set(re.findall(r"\bengram_\w+", uncommented(rules))) - metrics)]
    alerts = re.findall(r"((?:^ *#.*\n)*)^ *- alert: (\w+)", rules, re.M)
    if not alerts:
        found.append("no alert")
    for comment, name in alerts:
        if not comment:
            found.append(f"{name} gives no reason for its threshold")
        if name not in operations:
            found.append(f"{name} is not in docs/operations.md")
    return found


def uncommented(text):
    return re.sub(r"^ *#.*$", "", text, flags=re.M)


def promtool(path):
    """Complaints, or None where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        return None
    run = subprocess.run([program, "check", "rules", str(path)], capture_output=True, text=True)
    return [] if run.returncode == 0 else [run.stdout + run.stderr]


def self_test():
    table = "| `engram_a` | gauge |  | x |\n| `engram_b_seconds` | histogram |  | x |\n"
    rule = "  # why\n  - alert: One\n    expr: engram_a > 0 and engram_b_seconds_bucket > 1\n"
    assert problems(rule, table, "One") == []
    assert problems(rule, "", "One") == ["engram_a is not in docs/metrics.md",
                                         "engram_b_seconds_bucket is not in docs/metrics.md"]
    assert problems(rule, table, "") == ["One is not in docs/operations.md"]
    assert problems(rule.replace("  # why\n", ""), table, "One") == \
        ["One gives no reason for its threshold"]
    assert problems("", table, "") == ["no alert"]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as bad:
        bad.write("groups:\n- name: x\n  rules:\n  - alert: A\n    expr: 'a >'\n")
        bad.flush()
        assert promtool(bad.name) in (None,) or promtool(bad.name), "promtool took a bad rule"
    print("check_alerts.py: it can fail")


def main():
    if "--self-test" in sys.argv:
        return self_test()
    path = ROOT / "deploy" / "alerts.yml"
    found = problems(path.read_text(), (ROOT / "docs" / "metrics.md").read_text(),
                     (ROOT / "docs" / "operations.md").read_text())
    checked = promtool(path)
    found += checked or []
    print("\n".join(found) or "alert rules: all is well")
    if found:
        sys.exit(1)
    if checked is None:
        print("promtool (Debian package prometheus) is not installed: the rules were not parsed")
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
