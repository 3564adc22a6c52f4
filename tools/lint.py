#!/usr/bin/env python3
"""lint.py [--self-test]: the habits of the house that a machine can see.

Lines of at most 100 columns, files of at most 500 lines, functions of at most 70; a header begins
with what it is and has #pragma once; no marks of unfinished work, no trailing blanks, no tabs, no
test that sleeps, no path of one machine, no metric that nobody feeds.
"""
import pathlib
import re
import sys

import source_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CODE = {".h", ".cc", ".def", ".py", ".sh", ".cmake", ".proto"}
TEXT = CODE | {".md", ".txt", ".json", ".toml", ".yml", ".yaml"}
COLUMNS, FILE_LINES, FUNCTION_LINES = 100, 500, 70
SLEEP_SECONDS = 0.2  # between two looks at a state that a test waits for with a deadline

# In pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(ro" r"ot|home/(?!you\b|engram\b)\w+)/")
CPP_SLEEP = re.compile(r"\bsleep_(for|until)\b|\bu?sleep\s*\(|\bnanosleep\b")
PY_SLEEP = re.compile(r"\btime\.sleep\(([^)]*)\)")
NOT_A_FUNCTION = re.compile(
    r"^(namespace|class|struct|enum|union|extern|template)\b|^\w[\w<>:, ]* =|=\s*\{$")


def is_test(path):
    return "tests" in path.parts or path.stem.endswith("_test")


def sleeps(path, line):
    if path.suffix == ".cc":
        return CPP_SLEEP.search(line) is not None
    match = PY_SLEEP.search(line) if path.suffix == ".py" else None
    if match is None:
        return False
    try:
        return float(match.group(1)) > SLEEP_SECONDS
    except ValueError:
        return True


def check_line(path, line):
    if path.suffix in CODE:
        if len(line) > COLUMNS and "://" not in line:
            yield f"{len(line)} columns; at most {COLUMNS}"
        if "\t" in line:
            yield "a tab"
    if line != line.rstrip():
        yield "trailing blanks"
    if UNFINISHED.search(line):
        yield f"unfinished work: {UNFINISHED.search(line).group(0)}"
    if MACHINE_PATH.search(line):
        yield f"a path of one machine: {MACHINE_PATH.search(line).group(0)}"
    if is_test(path) and sleeps(path, line):
        yield "a test that sleeps; wait for the state with a deadline"


def check_functions(text):
    """Functions are found by their layout: a line that ends in { at the margin, until } there."""
    begin = None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"^\S.*\{$|^\)?.*\) (const |override |noexcept )*\{$", line) and begin is None:
            if line[0] not in " }#/" and not NOT_A_FUNCTION.match(line):
                begin = number
        elif line.startswith("}") and begin is not None:
            if number - begin + 1 > FUNCTION_LINES:
                yield begin, f"a function of {number - begin + 1} lines; at most {FUNCTION_LINES}"
            begin = None


def check_header(text):
    if not text.startswith("// "):
        yield 1, "a header begins with what it is"
    if text.count("#pragma once") != 1:
        yield 1, "#pragma once is missing"


def check_file(path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        for problem in check_line(path, line):
            yield number, problem
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    if path.suffix in (".h", ".cc", ".py") and len(lines) - 1 > FILE_LINES:
        yield 1, f"{len(lines) - 1} lines; at most {FILE_LINES}: split it by subject"
    if path.suffix == ".h":
        yield from check_header(text)
    if path.suffix == ".cc" and not path.stem.endswith("_test"):
        yield from check_functions(text)


def check_metrics_are_fed(root):
    """Each row of metrics.def is named by code outside of obs."""
    table = root / "src/engram/obs/metrics.def"
    if not table.exists():
        return
    used = set()
    for path in source_tree.files(root / "src/engram"):
        if path.suffix == ".cc" and path.parts[0] != "obs" and not is_test(path):
            text = (root / "src/engram" / path).read_text(errors="replace")
            used.update(re.findall(r"\bMetric::(k\w+)", text))
    for row in re.findall(r"^ENGRAM_METRIC\((k\w+)", table.read_text(), re.MULTILINE):
        if row not in used:
            yield f"src/engram/obs/metrics.def:1: nobody feeds {row}"


def check(root):
    problems = list(check_metrics_are_fed(root))
    for path in source_tree.files(root):
        if path.suffix not in TEXT and path.name not in ("Makefile", "Dockerfile"):
            continue
        text = (root / path).read_text(errors="replace")
        if "golden" in path.parts or "corpus" in path.parts:
            continue  # bytes that must not change
        problems += [f"{path}:{n}: {what}" for n, what in check_file(path, text)]
    return problems


def self_test():
    long_function = "void F() {\n" + "  G();\n" * 70 + "}\n"
    good = "// What it is.\n#pragma once\nint x;\n"
    return source_tree.expect({
        "good": ({"a.h": good, "b.cc": "void F() {\n  G();\n}\n", "Makefile": "a:\n\tb\n"}, None),
        "columns": ({"a.cc": "x" * 101 + "\n"}, "101 columns"),
        "columns of prose": ({"a.md": "x" * 200 + "\n"}, None),
        "a long address": ({"a.cc": "// https://" + "x" * 100 + "\n"}, None),
        "pragma": ({"a.h": "// What.\nint x;\n"}, "#pragma once is missing"),
        "essay": ({"a.h": "#pragma once\n// What.\n"}, "begins with what it is"),
        "file": ({"a.cc": "int x;\n" * 501}, "501 lines"),
        "function": ({"a.cc": long_function}, "a.cc:1: a function of 72 lines"),
        "long test function": ({"a_test.cc": long_function}, None),
        "long namespace": ({"a.cc": long_function.replace("void F()", "namespace f")}, None),
        "unfinished": ({"a.md": "a TO" + "DO here\n"}, "unfinished work"),
        "template of a name": ({"a.cc": 'auto x = "XX' + 'XXXX";\n'}, None),
        "blanks": ({"a.md": "x \n"}, "trailing blanks"),
        "tab": ({"a.cc": "\tx\n"}, "a tab"),
        "newline": ({"a.cc": "int x;"}, "no newline"),
        "sleep": ({"a_test.cc": "std::this_thread::sleep_for(x);\n"}, "a test that sleeps"),
        "sleep in code": ({"a.cc": "std::this_thread::sleep_for(x);\n"}, None),
        "sleep in Python": ({"tests/a.py": "time.sleep(5)\n"}, "a test that sleeps"),
        "look again soon": ({"tests/a.py": "time.sleep(0.05)\n"}, None),
        "machine": ({"a.md": "see /ho" + "me/ann/x\n"}, "a path of one machine"),
        "unfed": ({"src/engram/obs/metrics.def": "ENGRAM_METRIC(kA,\nENGRAM_METRIC(kB,\n",
                   "src/engram/api/a.cc": "F(Metric::kA);\n",
                   "src/engram/obs/b.cc": "F(Metric::kB);\n"}, "nobody feeds kB"),
        "fed": ({"src/engram/obs/metrics.def": "ENGRAM_METRIC(kA,\n",
                 "src/engram/api/a.cc": "F(Metric::kA);\n"}, None),
        "anybody's home": ({"a.md": "see /home/you/x and a/src/b\n"}, None),
    }, check)


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(source_tree.report("lint", check(ROOT)))
