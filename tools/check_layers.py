#!/usr/bin/env python3
"""check_layers.py [--self-test]: do the folders of src/engram keep to tools/layers.txt?

Fails on an include of a folder that is not below, on a foreign header or a word outside of its
home, on a folder that layers.txt does not know, and on a CMake dependency that the layers forbid.
"""
import pathlib
import re
import sys

import source_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
MODULE = re.compile(r"engram_module\(\s*(\w+)(?:\s+DEPS([^)]*?))?(?:\s+(?:LINK|TEST_LINK)[^)]*)?\)")
GENERATED = ("v1", "internal", "admin")


class Rules:
    def __init__(self, text):
        self.layers, self.headers, self.words, self.problems = {}, {}, {}, []
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            kind, rest = line.split(None, 1)
            name, _, values = rest.rpartition(":")
            self.add(kind, name.strip(), values.split(), number)

    def add(self, kind, name, values, number):
        if kind == "layer":
            for value in values:
                if value not in self.layers:
                    self.problems.append(f"tools/layers.txt:{number}: {value} is not below {name}")
            self.layers[name] = set(values)
        elif kind in ("header", "word"):
            (self.headers if kind == "header" else self.words)[name] = set(values)
        else:
            self.problems.append(f"tools/layers.txt:{number}: unknown rule {kind!r}")


def check_include(rules, module, header, where):
    if header.startswith("engram/"):
        part = header.split("/")[1]
        target = "proto" if part in GENERATED else part
        if target != module and target not in rules.layers.get(module, ()):
            yield f"{where}: {module} may not include {target} ({header})"
    for prefix, homes in rules.headers.items():
        if header.startswith(prefix) and module not in homes:
            yield f"{where}: <{header}> belongs to {', '.join(sorted(homes))}"


def check_source(rules, module, path, text):
    # Strings hold no code, but an include is one; so its lines are read from the source itself.
    raw = text.splitlines()
    code = source_tree.without_comments_and_strings(text).splitlines()
    free = source_tree.FREE.search(path.name)
    for number, line in enumerate(code, 1):
        where = f"{path}:{number}"
        if re.match(r"\s*#\s*include", line):
            match = INCLUDE.match(raw[number - 1])
            if match:
                yield from check_include(rules, module, match.group(2), where)
            continue
        for word, homes in rules.words.items():
            if word in line and not free and module not in homes:
                # What asks for the number of processors starts no thread.
                if re.search(re.escape(word) + r"(?!\w|::hardware_concurrency)", line):
                    yield f"{where}: {word} belongs to {', '.join(sorted(homes))}"


def check_cmake(rules, path, text):
    for name, deps in MODULE.findall(re.sub(r"#[^\n]*", "", text)):
        for dep in re.split(r"\bLINK\b|\bTEST_LINK\b", deps)[0].split():
            if dep not in rules.layers.get(name, ()):
                yield f"{path}: {name} may not depend on {dep}"


def check(root):
    rules = Rules((root / "tools/layers.txt").read_text())
    problems = list(rules.problems)
    for path in source_tree.files(root):
        if path.parts[:2] != ("src", "engram") or len(path.parts) < 4:
            continue
        module = path.parts[2]
        if module not in rules.layers:
            problems.append(f"{path}: the folder {module} is not in tools/layers.txt")
            continue
        text = (root / path).read_text(errors="replace")
        if path.suffix in (".h", ".cc", ".def"):
            problems += check_source(rules, module, path, text)
        elif path.name == "CMakeLists.txt":
            problems += check_cmake(rules, path, text)
    return problems


LAYERS = """
layer base:
layer proto:
layer wal: base proto
layer index: base
header sqlite3: index
word std::thread: index
"""


def self_test():
    def tree(path, text):
        return {"tools/layers.txt": LAYERS, f"src/engram/{path}": text}
    return source_tree.expect({
        "downward": (tree("wal/a.cc", '#include "engram/base/x.h"\n#include "engram/v1/m.pb.h"\n'),
                     None),
        "upward": (tree("base/a.h", '#include "engram/wal/x.h"\n'), "base may not include wal"),
        "sideways": (tree("wal/a.cc", '#include "engram/index/x.h"\n'), "may not include index"),
        "generated": (tree("index/a.cc", '#include "engram/v1/m.pb.h"\n'), "include proto"),
        "of a test": (tree("wal/a_test.cc", '#include "engram/index/x.h"\n'), "include index"),
        "foreign": (tree("wal/a.cc", "#include <sqlite3.h>\n"), "<sqlite3.h> belongs to index"),
        "foreign at home": (tree("index/a.cc", "#include <sqlite3.h>\n"), None),
        "word": (tree("wal/a.cc", "int x;\nstd::thread t;\n"), "a.cc:2: std::thread belongs"),
        "word in a comment": (tree("wal/a.cc", "// std::thread\n/* std::thread\n*/ int x;\n"),
                              None),
        "word in a string": (tree("wal/a.cc", 'auto x = "std::thread";\n'), None),
        "word in a test": (tree("wal/a_test.cc", "std::thread t;\n"), None),
        "processors": (tree("wal/a.cc", "int n = std::thread::hardware_concurrency();\n"), None),
        "another word": (tree("wal/a.cc", "std::thread_safe t;\n"), None),
        "unknown folder": (tree("util/a.cc", "\n"), "the folder util is not in"),
        "cmake": (tree("wal/CMakeLists.txt", "engram_module(wal DEPS base index)\n"),
                  "wal may not depend on index"),
        "cmake links": (tree("wal/CMakeLists.txt", "engram_module(wal DEPS base\n LINK z)\n"),
                        None),
        "cycle": ({"tools/layers.txt": "layer a: b\nlayer b: a\n"}, "b is not below a"),
        "unknown rule": ({"tools/layers.txt": "layr a:\n"}, "unknown rule"),
    }, check)


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(source_tree.report("layers", check(ROOT)))
