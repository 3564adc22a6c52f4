#!/usr/bin/env python3
"""readme_test.py ENGRAM README: run every command of the README's first ten minutes, in order, in
one shell, and compare what it prints with the README; numbers, ids, times and paths are blanked
out."""
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

MARK = "-- end of command --"
DEADLINE_SECONDS = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def session(readme):
    """(command, expected output) of every '$ ' line in the section's console blocks."""
    section = re.split(r"\n## ", readme.split("## First ten minutes")[1])[0]
    steps = []
    for block in re.findall(r"```\n(.*?)```", section, re.S):
        lines, i = block.split("\n"), 0
        while i < len(lines):
            if not lines[i].startswith("$ "):
                i += 1
                continue
            command = lines[i][2:]
            i += 1
            while subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode \
                    or command.endswith("\\"):
                command += "\n" + lines[i]
                i += 1
            expected = []
            while i < len(lines) and not lines[i].startswith("$ "):
                expected.append(lines[i])
                i += 1
            steps.append((command, "\n".join(expected)))
    return steps


def blank(text):
    """Numbers, ids, names of this machine and runs of blanks do not count."""
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "ID", text)
    text = re.sub(r"\b01[0-9A-Z]{3,25}…", "ID", text)
    text = re.sub(r"node \S+ \([0-9a-f]+\)", "node NAME", text)
    text = re.sub(r"· \S+, primary, ", "· NAME, primary, ", text)
    text = re.sub(r"data \S+", "data PATH", text)
    text = re.sub(r"\d+([.,:]\d+)*", "N", text)
    text = re.sub(r"N ?(ms|s|us)\b", "TIME", text)
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


def script(steps, ports, log):
    """One shell script; a server in the background is waited for by its banner."""
    lines = []
    for command, _ in steps:
        command = command.replace("localhost:7432", f"localhost:{ports['HTTP']}")
        if "engram serve &" in command:
            command = command.replace("engram serve &", f"engram serve >>{log} 2>&1 &")
            command = f": >{log}\n{command}"
            command += (f"\nuntil grep -q 'ready in' {log}; do kill -0 $E || break; done"
                        f"\nhead -3 {log}")
        if command.startswith("export PATH="):
            command = "true"
        lines += [command, f"echo '{MARK}'"]
    return "\n".join(lines + ["kill $E; wait $E; echo exit $?"])


def main():
    engram, readme = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    steps = session(readme.read_text())
    if len(steps) < 6:
        sys.exit(f"only {len(steps)} commands found in {readme}")
    with tempfile.TemporaryDirectory() as home:
        ports = {door: free_port() for door in ("GRPC", "HTTP", "OPS")}
        env = {k: v for k, v in os.environ.items() if not k.startswith("ENGRAM_")}
        env.update({f"ENGRAM_LISTEN_{door}": f"127.0.0.1:{port}" for door, port in ports.items()})
        env.update(HOME=home, PATH=f"{engram.parent}:{env['PATH']}", NO_COLOR="1",
                   ENGRAM_SERVER=f"127.0.0.1:{ports['GRPC']}",
                   ENGRAM_NODE_DATA_DIR=f"{home}/data")
        run = subprocess.run(["bash", "-c", script(steps, ports, f"{home}/serve.log")], env=env,
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=DEADLINE_SECONDS)
    outputs = run.stdout.split(MARK + "\n")
    bad = 0
    for (command, expected), actual in zip(steps, outputs):
        if blank(expected) != blank(actual):
            bad += 1
            print(f"$ {command}\n--- README\n{blank(expected)}\n--- printed\n{blank(actual)}\n")
    if "exit 0" not in outputs[-1]:
        bad += 1
        print(f"the server did not end with 0: {outputs[-1]}")
    print(f"{len(steps)} commands, {bad} differ")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
