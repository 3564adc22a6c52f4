#!/usr/bin/env python3
"""check_format.py [--self-test]: is every source file as .clang-format wants it?

Exits with 77 (skipped) where clang-format is not installed. `make format` repairs.
"""
import pathlib
import shutil
import subprocess
import sys

import source_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77


def check(root):
    sources = [str(p) for p in source_tree.files(root) if p.suffix in (".cc", ".h")]
    style = (ROOT / ".clang-format").resolve()
    run = subprocess.run(
        ["clang-format", f"--style=file:{style}", "--dry-run", "-Werror", *sources],
        cwd=root, capture_output=True, text=True)
    return [line for line in run.stderr.splitlines() if ": error:" in line]


def self_test():
    return source_tree.expect({
        "good": ({"a.cc": "int x = 1;\n"}, None),
        "bad": ({"a.cc": "int  x=1;\n"}, "a.cc:1:"),
        "bad order": ({"a.cc": "#include <vector>\n#include <map>\n"}, "a.cc:1:"),
    }, check)


if __name__ == "__main__":
    if shutil.which("clang-format") is None:
        print("clang-format is not installed: format is not checked")
        sys.exit(SKIPPED)
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(source_tree.report("format", check(ROOT)))
