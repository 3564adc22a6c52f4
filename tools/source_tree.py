"""What the checks of the tree share: its files, source without comments, and the report."""
import os
import pathlib
import re

SKIPPED = {"build", ".git", ".cache", "__pycache__"}
FREE = re.compile(r"_(test|bench|fuzz)\.(cc|h)$")  # beside the code, but not of it


def files(root):
    """Every file of the tree, as paths relative to root, sorted."""
    found = []
    for directory, names, leaves in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED and not n.startswith("build"))
        found += [pathlib.Path(directory, leaf).relative_to(root) for leaf in leaves]
    return sorted(found)


COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def without_comments_and_strings(text):
    """The same number of lines; comments and the insides of strings are gone."""
    def blank(match):
        kept = '""' if match.group(0)[0] in '"R' else ""
        return kept + "\n" * match.group(0).count("\n")
    return COMMENT_OR_STRING.sub(blank, text)


def report(what, problems):
    """Prints what is wrong; returns the exit code."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem(s)" if problems else f"{what}: clean")
    return 1 if problems else 0


def expect(cases, check):
    """Runs `check` on small trees: {name: ({path: text}, part of the problem or None)}."""
    import tempfile
    failures = []
    for name, (tree, wanted) in cases.items():
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                file = pathlib.Path(root, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text.encode())
            problems = check(pathlib.Path(root))
        if wanted is None and problems:
            failures.append(f"{name}: is good, but: {problems}")
        elif wanted is not None and not any(wanted in p for p in problems):
            failures.append(f"{name}: not found: {wanted!r} in {problems}")
    return report(f"self-test of {len(cases)} cases", failures)
