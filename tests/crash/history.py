"""What clients saw of a cluster, and whether it can be true. Pure: no clock, no process, no file.

A history is a list of Op. `linearizable` searches, id by id, an order of all operations at level
`replicated` and all confirmed reads that fits real time and explains every answer; it trusts no
number of the servers but versions (Wing and Gong 1993, with Lowe's memo of visited states). A write
whose outcome is not known may have happened at any time after it was asked for, or never.
`against_log` then holds the same history against the log at the end: answers stand where they said,
in the order of real time, each once; a read of any copy shows a state that the log has passed
through, none older than its token, and nothing deleted returns."""
import dataclasses
import math

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
STEPS_MAX = 2_000_000  # of one search; more than any history of a real run has needed, by far


@dataclasses.dataclass
class Op:
    """One call of a client, with its retries. Times are one clock's, in seconds."""
    kind: str  # remember, update, suppress, restore, delete, read
    id: str
    invoked: float
    returned: float = math.inf  # as it stays when the outcome is not known
    outcome: str = OK
    client: int = 0
    node: str = ""  # who answered
    text: str = ""  # written, or seen
    version: int = 0  # answered, or seen
    changed: bool = True  # a write: False when it found nothing to change
    position: tuple = None  # (epoch, sequence): of the write; of a read: what was visible
    again: list = dataclasses.field(default_factory=list)  # positions its key was answered with
    # a read:
    confirmed: bool = False
    found: bool = False
    suppressed: bool = False
    content_at: tuple = None  # where the version that it shows stands
    token_of: "Op" = None  # the write that it asked for at least
    lost: bool = False  # WRITE_LOST

    def __str__(self):
        says = {"read": f"shows {self.text!r}" + (", suppressed" if self.suppressed else "")
                if self.found else "finds nothing"}.get(self.kind, self.text and repr(self.text))
        at = f" at {self.position[0]}/{self.position[1]}" if self.position else ""
        return (f"{self.kind} {self.id} {says} version {self.version}{at} ({self.outcome} by "
                f"{self.node}, {self.invoked:.3f} … {self.returned:.3f})")


# ---- the order that explains everything ----

NOTHING = (0, "", False, False)  # version, text, live, suppressed


def after(state, op):
    """The state of its id after this operation; None when it could not have been answered so."""
    version, text, live, suppressed = state
    known = op.outcome == OK
    if op.kind == "read":
        seen = (op.version, op.text, True, op.suppressed)
        return state if op.found == live and (not live or seen == state) else None
    if op.kind in ("remember", "update"):
        fits = live or op.kind == "remember"
        if not fits or (known and op.version != version + 1):
            return None
        return version + 1, op.text, True, suppressed and op.kind == "update"
    if op.kind == "delete":
        return (version, "", False, False) if live else None
    wants = op.kind == "suppress"
    changes = live and suppressed != wants
    if op.kind == "suppress" and not live:
        return None
    if changes != op.changed:  # an unknown one counts where it changes something
        return None
    return (version, text, live, wants) if changes else state


class _Node:
    """A call or a return in the list of what is not placed yet."""
    __slots__ = ("op", "bit", "rank", "needs", "end", "before", "behind")

    def __init__(self, op, bit=0):
        self.op, self.bit, self.rank, self.needs = op, bit, -1, 0
        self.end = self.before = self.behind = None

    def unlink(self):
        self.before.behind = self.behind
        if self.behind is not None:
            self.behind.before = self.before

    def relink(self):
        self.before.behind = self
        if self.behind is not None:
            self.behind.before = self


def _listed(ops):
    """The head of a list of calls and returns in the order of time, a call before a return; and
    the calls by the version that they need."""
    moments = []
    for i, op in enumerate(ops):
        call = _Node(op, 1 << i)
        moments.append((op.invoked, 0, i, call))
        if op.returned < math.inf:
            call.end = _Node(op)
            moments.append((op.returned, 1, i, call.end))
    moments.sort(key=lambda m: m[:3])
    head = last = _Node(None)
    for *_, node in moments:
        last.behind, node.before, last = node, last, node
    calls = [node for _, end, _, node in moments if not end]
    _queue_alike(calls)
    by_version = sorted((node for node in calls if _version_before(node.op) < math.inf),
                        key=lambda node: _version_before(node.op))
    for rank, node in enumerate(by_version):
        node.rank = rank
    return head, by_version


def _queue_alike(calls):
    """Of unknown writes that do the same the earliest is as good as any: the others wait for it."""
    seen = {node.op.text for node in calls if node.op.kind == "read"}
    last = {}
    for node in calls:
        if node.op.outcome == UNKNOWN:
            alike = (node.op.kind, node.op.text if node.op.text in seen else None)
            node.needs = last.get(alike, 0)
            last[alike] = node.bit


def _version_before(op):
    """The version at which this operation was answered so; versions never fall."""
    if op.outcome != OK:
        return math.inf
    if op.kind == "read":
        return op.version if op.found else math.inf
    return op.version - 1 if op.kind in ("remember", "update") else math.inf


class _Search:
    def __init__(self, ops, start):
        self.head, self.by_version = _listed(ops)
        self.required = sum(op.returned < math.inf for op in ops)
        self.state, self.mask, self.next_rank = start, 0, 0
        self.visited, self.placed = set(), []

    def place(self, node):
        """False when it does not fit here, or led nowhere from here before."""
        if node.needs & ~self.mask:
            return False
        then = after(self.state, node.op)
        if then is None or (self.mask | node.bit, then) in self.visited:
            return False
        rank, mask = self.next_rank, self.mask | node.bit
        while rank < len(self.by_version) and self.by_version[rank].bit & mask:
            rank += 1
        if rank < len(self.by_version) and then[0] > _version_before(self.by_version[rank].op):
            return False
        self.visited.add((mask, then))
        self.placed.append((node, self.state, self.next_rank))
        self.state, self.mask, self.next_rank = then, mask, rank
        node.unlink()
        if node.end is not None:
            node.end.unlink()
            self.required -= 1
        return True

    def take_back(self):
        """What was placed last has to go elsewhere."""
        node, self.state, self.next_rank = self.placed.pop()
        self.mask ^= node.bit
        if node.end is not None:
            node.end.relink()
            self.required += 1
        node.relink()
        return node


def explain(ops, start=NOTHING, steps_max=STEPS_MAX):
    """None when some order explains them; else what it came to grief at, in words."""
    search, most, stuck = _Search(ops, start), -1, None
    node = search.head.behind
    for _ in range(steps_max):
        if search.required == 0:
            return None
        if node is not None and node.bit:
            node = search.head.behind if search.place(node) else node.behind
            continue
        # Somebody was answered who is not placed.
        if len(search.placed) > most:
            before = [placed[0].op for placed in search.placed[-6:]]
            most, stuck = len(search.placed), (search.state, node and node.op, before)
        if not search.placed:
            return _grief(stuck)
        node = search.take_back().behind
    return f"not decided within {steps_max} steps; {_grief(stuck)}"


def _grief(stuck):
    state, op, before = stuck
    return (f"no order explains {op}\n    the longest that fits leaves version {state[0]}, "
            f"{state[1]!r}{', live' if state[2] else ''}{', suppressed' if state[3] else ''}, after"
            + "".join(f"\n    {b}" for b in before))


def linearizable(ops):
    """What is wrong, in words, for each id that cannot be explained."""
    by_id = {}
    for op in ops:
        counts = op.confirmed and op.outcome == OK if op.kind == "read" else op.outcome != REFUSED
        if counts:
            by_id.setdefault(op.id, []).append(op)
    wrong = ((id, explain(of_id)) for id, of_id in sorted(by_id.items()))
    return [f"not linearizable: {id}: {why}" for id, why in wrong if why]


# ---- the log at the end ----

WRITES = ("remember", "update", "suppress", "restore", "delete")


def stands_as(op, what):
    """Whether an entry of the log, as the dump describes it, can be this write."""
    content = f"{op.id} version {op.version}"
    return {"remember": what.startswith("EpisodeStore") and what.endswith(" " + content),
            "update": what.startswith("MemoryUpdate") and what.endswith(" content of " + content),
            "suppress": what.startswith("MemoryUpdate suppressed"),
            "restore": what.startswith("MemoryUpdate visible again"),
            "delete": what.startswith("MemoryDelete")}[op.kind]


def _written(ops):
    return [op for op in ops if op.kind in WRITES and op.outcome == OK and op.changed]


def judge_writes(ops, log):
    """What was answered stands where the answer said. `log`: {sequence: (epoch, what)}."""
    for op in _written(ops):
        epoch, what = log.get(op.position[1], (0, "nothing"))
        if epoch != op.position[0] or not stands_as(op, what):
            yield f"answered and not there: {op}; there is {what} of epoch {epoch}"


def judge_order(ops, _log):
    """What was answered before another was asked for stands before it."""
    written = _written(ops)
    returned = sorted(written, key=lambda op: op.returned)
    newest, i = None, 0
    for op in sorted(written, key=lambda op: op.invoked):
        while i < len(returned) and returned[i].returned < op.invoked:
            if newest is None or returned[i].position[1] > newest.position[1]:
                newest = returned[i]
            i += 1
        if newest is not None and op.position[1] <= newest.position[1]:
            yield f"stands before what was answered before: {op}, before {newest}"


def judge_keys(ops, log):
    """A key happens once: its answers agree, and no version has two authors or none."""
    for op in ops:
        if any(position != op.position for position in op.again):
            yield f"a key was answered with {op.again}: {op}"
    ids = {op.id for op in ops}
    versions = {}
    for _, what in log.values():
        words = what.split()
        if len(words) > 3 and words[-2] == "version" and words[-3] in ids:
            versions.setdefault(words[-3], []).append(int(words[-1]))
    for id in sorted(ids):
        there = versions.get(id, [])
        asked = [op for op in ops if op.id == id and op.kind in ("remember", "update")]
        known = [op.version for op in asked if op.outcome == OK]
        unknown = sum(op.outcome == UNKNOWN for op in asked)
        if len(set(there)) < len(there) or len(set(known)) < len(known):
            yield f"a version of {id} has two authors: {sorted(there)}, answered {sorted(known)}"
        elif len(there) > len(known) + unknown:
            yield f"{id} has {len(there)} versions, of {len(known)} answers and {unknown} unknown"


def judge_refused(ops, _log):
    """What was refused did not happen."""
    refused = {op.text for op in ops if op.kind in WRITES and op.outcome == REFUSED and op.text}
    for op in ops:
        if op.kind == "read" and op.found and op.text in refused:
            yield f"was refused, and is shown: {op}"


def judge_tokens(ops, _log):
    """No read that asked for a write at least answers without it."""
    deletes = {}
    for op in ops:
        if op.kind == "delete" and op.outcome != REFUSED:
            deletes.setdefault(op.id, []).append(op)
    for op in ops:
        if op.kind != "read" or op.token_of is None:
            continue
        write = op.token_of
        gone = any(other.invoked < op.returned for other in deletes.get(op.id, []))
        if op.lost:
            yield f"a token of a replicated write was answered WRITE_LOST: {op}, of {write}"
        elif op.outcome == OK and (
                (op.position is not None and op.position[1] < write.position[1])
                or (op.found and op.version < write.version) or (not op.found and not gone)):
            yield f"was asked for a write at least, and does not show it: {op}, of {write}"


def judge_reads(ops, log):
    """Reads of any copy show what the log shows at what they say is visible."""
    by_id = {}
    for op in ops:
        by_id.setdefault(op.id, []).append(op)
    for of_id in by_id.values():
        timeline = Timeline(of_id)
        for op in of_id:
            if op.kind != "read" or op.outcome != OK or op.position is None:
                continue
            epoch, what = log.get(op.position[1], (0, "nothing"))
            if epoch != op.position[0]:
                yield f"showed what was never committed: {op}; there is {what} of epoch {epoch}"
                continue
            why = timeline.contradicts(op)
            if why:
                yield f"{why}: {op}"


class Timeline:
    """The writes of one id by their places in the log. Of a write whose outcome is not known the
    place is not known either, so that an id with such writes is judged by less."""

    def __init__(self, ops):
        self.known = sorted(_written(ops), key=lambda op: op.position[1])
        self.exact = not any(op.kind in WRITES and op.outcome == UNKNOWN for op in ops)

    def contradicts(self, read):
        """In words, or None."""
        through = [op for op in self.known if op.position[1] <= read.position[1]]
        contents = [op for op in through if op.kind in ("remember", "update")]
        deleted = max((op.position[1] for op in through if op.kind == "delete"), default=0)
        if read.found:
            begins = read.content_at[1]
            if begins > read.position[1]:
                return "shows what comes later than all that it says it shows"
            if deleted > begins:
                return "shows what was deleted"
            if contents and contents[-1].position[1] > begins:
                return f"shows an older version than {contents[-1]}"
            same = [op for op in contents if op.position == read.content_at]
            if same and (same[0].version, same[0].text) != (read.version, read.text):
                return f"shows another content than {same[0]}"
        if not self.exact:
            return None
        live = bool(contents) and contents[-1].position[1] > deleted
        if read.found != live:
            return "shows what was never written" if read.found else "does not show what is there"
        return self._hidden(through, read) if live else None

    @staticmethod
    def _hidden(through, read):
        hidden = False
        for op in through:
            if op.kind != "update":
                hidden = op.kind == "suppress"
        return f"suppressed is not {hidden}" if read.suppressed != hidden else None


def against_log(ops, log):
    judges = (judge_writes, judge_order, judge_keys, judge_refused, judge_tokens, judge_reads)
    return [why for judge in judges for why in judge(ops, log)]
