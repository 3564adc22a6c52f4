#!/usr/bin/env python3
"""readme_test.py ENGRAM DOCUMENT: run every '$ ' command of a document, in order, in one shell, in
an empty directory, and compare what it prints with the document; numbers, ids, times and paths are
blanked out. Its first TOML block is n1.toml; n2.toml differs in the node's name. Addresses stand on
free ports, and a server in the background is waited for by its banner."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from pair_kit import free_port

MARK = "-- end of command --"
DEADLINE_SECONDS = 30  # of a state that a command shows
PORTS = (50051, 7432, 7433, 50052, 50061, 7442, 7443, 50062)
# They change nothing, so they can be asked until the state is the one that is shown.
LOOKS = re.compile(r"engram (replicas$|cluster|quarantine list|recall|get|promote \S+ --dry-run)")
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"


def blocks_of(document):
    """(kind, text) of the fenced blocks: "" for a console, "toml", "python"."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", document, re.S | re.M)


def steps_of(document):
    """(command, expected output) of every '$ ' line in the console blocks; of a Python block it is
    not known."""
    steps = []
    for kind, block in blocks_of(document):
        if kind == "python":
            steps.append((f"python3 <<'END'\n{block}END", None))
        if kind != "":
            continue
        lines, i = block.rstrip("\n").split("\n"), 0
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
    return [step for step in steps if not step[0].startswith(("git clone", "make "))]


def blank(text):
    """Numbers, ids, names of this machine and runs of blanks do not count."""
    text = re.sub(r"^\[[# ]*\] |^.*\r|^bash: line \d+: .*Killed.*\n", "", text, flags=re.M)
    text = re.sub(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "ID", text)
    text = re.sub(r"\b01[0-9A-Z]{3,25}…", "ID", text)
    text = re.sub(r"node \S+ \([0-9a-f]+\)", "node NAME", text)
    text = re.sub(r"· (?!n[12]\b)\S+, primary, ", "· NAME, primary, ", text)
    text = re.sub(r"data \S+", "data PATH", text)
    text = re.sub(rf"\b\d+ ({MONTHS}) \d{{4}}( \d\d:\d\d)?", "DATE", text)
    text = re.sub(r"\b\d+([.,:]\d+)*", "N", text)
    text = re.sub(r"N ?(ms|s|us|min)\b", "TIME", text)
    text = re.sub(r": n\d has not answered for TIME", "", text)
    return "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))


class Shell:
    """One bash, command after command; a server's banner goes to a log of its own."""

    def __init__(self, home, engram, ports):
        env = {k: v for k, v in os.environ.items() if not k.startswith("ENGRAM_")}
        env.update(HOME=home, PATH=f"{engram.parent}:{env['PATH']}", NO_COLOR="1",
                   ENGRAM_SERVER=f"127.0.0.1:{ports[50051]}")
        self.single = (f"ENGRAM_LISTEN_GRPC=127.0.0.1:{ports[50051]} "
                       f"ENGRAM_LISTEN_HTTP=127.0.0.1:{ports[7432]} "
                       f"ENGRAM_LISTEN_OPS=127.0.0.1:{ports[7433]} "
                       f"ENGRAM_NODE_DATA_DIR={home}/data ")
        self.home, self.ports, self.servers = home, ports, 0
        self.bash = subprocess.Popen(["bash"], cwd=home, env=env, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)

    def told(self, command):
        self.bash.stdin.write(f"{command}\necho '{MARK}'\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line.endswith(MARK + "\n"):
                return "".join(lines) + line[:-len(MARK) - 1]
            lines.append(line)
        return "".join(lines)

    def serve(self, command):
        self.servers += 1
        log = f"{self.home}/serve{self.servers}.log"
        single = "--config" not in command
        command = command.replace(" & ", f" >{log} 2>&1 & ")
        out = self.told(f": >{log}\n" + (self.single if single else "") + command + "\n"
                        f"until grep -q 'ready in' {log}; do kill -0 $! || break; done")
        return out + self.told(f"head -3 {log}") if single else out

    def run(self, command):
        command = with_ports(command, self.ports)
        if command.startswith("export PATH="):
            return ""
        if command.startswith("engram serve "):
            return self.serve(command)
        if command.startswith("kill "):  # the next command may want what it gives free
            command += "; wait " + command.split()[-1]
            command += "" if "-9" in command else "; [ $? = 0 ] || echo it did not end with 0"
        return self.told(command)


def with_ports(text, ports):
    return re.sub(r"\b(localhost|127\.0\.0\.1):(\d+)",
                  lambda m: f"{m[1]}:{ports.get(int(m[2]), m[2])}", text)


def prepare(home, document, ports):
    """The files that the reader has: two configurations, and a repository to import."""
    configurations = [text for kind, text in blocks_of(document) if kind == "toml"]
    if configurations:
        text = with_ports(configurations[0], ports)
        pathlib.Path(f"{home}/n1.toml").write_text(text)
        pathlib.Path(f"{home}/n2.toml").write_text(text.replace('\nname = "n1"', '\nname = "n2"'))
    git = ["git", "-C", home, "-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    for number in range(3):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", f"step {number}"], check=True)


def differing(shell, steps):
    bad = 0
    for command, expected in steps:
        deadline = time.monotonic() + DEADLINE_SECONDS
        actual = shell.run(command)
        while LOOKS.match(command) and blank(actual) != blank(expected) \
                and time.monotonic() < deadline:
            actual = shell.run(command)
        if expected is None:
            expected = "failed" if "Traceback" in actual else actual
        if blank(expected) != blank(actual):
            bad += 1
            print(f"$ {command}\n--- document\n{blank(expected)}\n--- printed\n{blank(actual)}\n")
    return bad


def main():
    engram, path = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    document = path.read_text()
    if "## First ten minutes" in document:
        document = document.split("## First ten minutes")[1].split("\n## Where to go on")[0]
    steps = steps_of(document)
    if len(steps) < 6:
        sys.exit(f"only {len(steps)} commands found in {path}")
    with tempfile.TemporaryDirectory() as home:
        ports = {port: free_port() for port in PORTS}
        prepare(home, document, ports)
        shell = Shell(home, engram, ports)
        bad = differing(shell, steps)
        for server in ("E", "N1", "N2"):
            ended = shell.told(f"kill ${server} 2>&- && wait ${server}; echo exit $?")
            if not re.search("exit [0-2]$", ended.strip()):  # 0, or it was not running any more
                bad += 1
                print(f"server {server} did not end with 0: {ended}")
        shell.bash.stdin.close()
        shell.bash.wait(DEADLINE_SECONDS)
        for log in sorted(pathlib.Path(home).glob("serve*.log")) if bad else []:
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}")
    print(f"{len(steps)} commands, {bad} differ")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
