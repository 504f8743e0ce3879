"""A small W&B server on loopback: what wandb's real client needs to write runs and to read them back, and faults to order.

It shows what the client sends and how it bears trouble; the real server's own rules it does not know.

| who asks | request | answer here |
|---|---|---|
| every start | Viewer, GetViewer, GetDefaultEntity, ServerFeaturesQuery | one account, no features |
| `wandb.init` | RunResumeStatus | null for a new run, else its counts, config, summary and last line |
| `wandb.init`, config | UpsertBucket | the run, kept in `runs`; 409 for a deleted one, as the real server does |
| `run.log` | POST /files/ENTITY/PROJECT/ID/file_stream | lines kept at offsets; `complete` ends the run; 404: deleted |
| files, pictures | CreateRunFiles, then PUT to each address | bytes kept in `Run.files` |
| `Api.runs` | Runs (filters: equality and $in; order: created_at) | pages of perPage runs |
| `Api.run`, lazy runs | Run, RunState | one run |
| `run.history` | RunSampledHistory (keys), RunFullHistory | at most `samples` rows, evenly drawn, as the real server does |
| `run.scan_history` | RunHistoryKeys, RunParquetHistory, HistoryPage, SampledHistoryPage (keys) | every row |
| telemetry | POST /sdk/otel/... | {} |
| anything else | | {"errors": ...}: an empty answer would crash wandb-core |

Faults, set by `fail(kind, *requests)` and counted in `fired`; `requests` are names from the table (`file_stream`, `PUT`), none
means all:

| kind | what the client meets |
|---|---|
| `refuse` | the connection is closed without a byte |
| `401`, `429`, `500` | that status, every time |
| `hang` | no answer until `heal()` |
| `slow` | the right answer, `delay` seconds late |
| `delete(run_id)` | no fault of the network: the run is gone, and its id can never be used again |
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY = "tester"
KEY = "c0ffee" * 7  # any 40 characters or more
VIEWER = {"id": "1", "name": ENTITY, "username": ENTITY, "entity": ENTITY, "email": "t@example.org", "admin": False}
VIEWER |= {"flags": "{}", "deletedAt": None, "teams": {"edges": []}, "apiKeys": {"edges": []}}
Row = dict[str, Any]


@dataclass
class Run:
    """One run as the server knows it: names are GraphQL's, values plain."""

    name: str  # the run id
    project: str
    created: int  # a counter
    attributes: dict[str, Any] = field(default_factory=dict)  # displayName, group, jobType, tags, notes
    config: dict[str, Any] = field(default_factory=dict)  # {key: {"value": value}}, as sent
    summary: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)  # of the history
    files: dict[str, bytes] = field(default_factory=dict)
    state: str = "running"
    exit_code: int | None = None
    heartbeat: str = "2026-01-02T00:00:00Z"  # the last sign of life: no test waits for one

    def history(self) -> list[Row]:
        """The history's rows."""
        return [json.loads(line) for line in self.lines]

    def values(self) -> dict[str, Any]:
        """The configuration's values, W&B's own part left out."""
        return {key: entry["value"] for key, entry in self.config.items() if key != "_wandb"}

    def node(self) -> dict[str, Any]:
        """All fields of both of the client's fragments."""
        last = max((row.get("_step", -1) for row in self.history()), default=-1)
        return {
            "id": self.name,
            "projectId": "1",
            "name": self.name,
            "state": self.state,
            "config": json.dumps(self.config),
            "summaryMetrics": json.dumps(self.summary),
            "systemMetrics": "{}",
            "historyLineCount": len(self.lines),
            "historyKeys": {"lastStep": last, "keys": {}},
            "createdAt": f"2026-01-01T{self.created // 3600:02}:{self.created // 60 % 60:02}:{self.created % 60:02}Z",
            "heartbeatAt": self.heartbeat,
            "user": {"name": ENTITY, "username": ENTITY},
            **dict.fromkeys(("sweepName", "commit", "description", "notes")),
            **dict.fromkeys(("group", "jobType")),
            "tags": [],
            "readOnly": False,
            "displayName": self.name,
            **self.attributes,
        }


class Server(ThreadingHTTPServer):
    """The server; `serving()` starts one. `requests` counts what was asked, `fired` what met the fault."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs: dict[str, Run] = {}
        self.deleted: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.errors: list[BaseException | None] = []  # of this server itself: a test may assert that there are none
        self.lock = threading.RLock()
        self._created = 0
        self._fault: tuple[str, frozenset[str], float] | None = None
        self._healed = threading.Event()

    @property
    def url(self) -> str:
        """For WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        """What points wandb's client here; telemetry off."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}

    def fail(self, kind: str, *requests: str, delay: float = 0.0) -> None:
        """Order a fault for the requests named, or for all."""
        assert kind in ("refuse", "401", "429", "500", "hang", "slow")
        self._healed.clear()
        self._fault = (kind, frozenset(requests), delay)

    def heal(self) -> None:
        """End the fault; what hangs is dropped."""
        self._fault = None
        self._healed.set()

    def delete(self, run_id: str) -> None:
        """Forget a run, as its owner's click on the page does."""
        with self.lock:
            del self.runs[run_id]
            self.deleted.add(run_id)

    def meets(self, request: str) -> int | None:
        """Count a request, and let the fault act on it: a status to answer with, 0 to drop it, None for the right answer."""
        self.requests[request] += 1
        kind, requests, delay = self._fault or ("", frozenset(), 0.0)
        if not kind or (requests and request not in requests):
            return None
        self.fired[request] += 1
        if kind == "hang":
            self._healed.wait()
        elif kind == "slow":
            time.sleep(delay)
            return None
        return int(kind) if kind.isdecimal() else 0

    def answer(self, operation: str, variables: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one GraphQL operation."""
        ask: Callable[[dict[str, Any]], Any] | None = ANSWERS.get(operation) and ANSWERS[operation].__get__(self)
        if ask is None:
            return 200, {"errors": [{"message": f"{operation}: not known to this server"}]}
        with self.lock:
            try:
                return 200, {"data": ask(variables)}
            except PermissionError as error:
                return 409, {"errors": [{"message": str(error), "path": ["upsertBucket"]}], "data": {"upsertBucket": None}}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here; anything else is, and is kept for the test."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.errors.append(error)

    # Accounts

    def viewer(self, variables: dict[str, Any]) -> Any:
        return {"viewer": VIEWER}

    def features(self, variables: dict[str, Any]) -> Any:
        return {}

    # Writing

    def resume(self, variables: dict[str, Any]) -> Any:
        run = self.runs.get(variables["name"])
        if run is None:
            return {"model": None}
        tail = json.dumps(run.lines[-1:])
        counts = {"logLineCount": 0, "eventsLineCount": 0, "eventsTail": "[]", "historyTail": tail}
        bucket = {**run.node(), **counts, "wandbConfig": '{"t":1}'}
        project = {"id": run.project, "name": run.project, "entity": {"id": "1", "name": ENTITY}}
        return {"model": {**project, "bucket": bucket}}

    def upsert(self, variables: dict[str, Any]) -> Any:
        name = variables.get("name") or variables["id"]
        if name in self.deleted:
            raise PermissionError(f"run {name} was previously created and deleted; try a new run name")
        inserted = name not in self.runs
        if inserted:
            self._created += 1
            self.runs[name] = Run(name, variables["project"], self._created)
        run = self.runs[name]
        keys = {
            "displayName": "displayName",
            "groupName": "group",
            "jobType": "jobType",
            "tags": "tags",
            "notes": "notes",
            "sweep": "sweepName",
        }
        run.attributes |= {ours: variables[key] for key, ours in keys.items() if variables.get(key) is not None}
        run.config = json.loads(variables["config"]) if variables.get("config") else run.config
        run.state, run.exit_code = "running", None
        project = {"id": run.project, "name": run.project, "entity": {"id": "1", "name": ENTITY}}
        return {"upsertBucket": {"bucket": {**run.node(), "project": project}, "inserted": inserted}}

    def create_files(self, variables: dict[str, Any]) -> Any:
        address = f"{self.url}/upload/{variables['run']}/"
        files = [{"name": name, "uploadUrl": address + name} for name in variables["files"]]
        return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}

    def stream(self, run_id: str, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a file_stream message."""
        with self.lock:
            run = self.runs.get(run_id)
            if run is None:
                return 404, {"error": f"run {run_id} not found"}
            for name, part in (content.get("files") or {}).items():
                if name == "wandb-history.jsonl":
                    end = part["offset"] + len(part["content"])
                    run.lines += [""] * (end - len(run.lines))
                    run.lines[part["offset"] : end] = part["content"]
                elif name == "wandb-summary.json":
                    run.summary = json.loads(part["content"][-1])
            if content.get("complete"):
                run.exit_code = content.get("exitcode")
                run.state = "failed" if run.exit_code else "finished"
            return 200, {"exitcode": None, "limits": {}}

    # Reading

    def page(self, variables: dict[str, Any]) -> Any:
        kept = [run for run in self.runs.values() if (ENTITY, run.project) == (variables["entity"], variables["project"])]
        if not kept:
            return {"project": None}
        for key, wanted in json.loads(variables.get("filters") or "{}").items():
            kept = [run for run in kept if _fits(run, key, wanted)]
        if str(variables.get("order") or "").startswith("-"):
            kept.reverse()
        first, size = int(variables.get("cursor") or 0), variables.get("perPage") or 50
        edges = [{"node": run.node(), "cursor": str(first + k + 1)} for k, run in enumerate(kept[first : first + size])]
        more = {"endCursor": str(first + len(edges)), "hasNextPage": first + len(edges) < len(kept)}
        about = {"internalId": "1", "runCount": len(kept), "readOnly": False}
        return {"project": {**about, "runs": {"edges": edges, "pageInfo": more}}}

    def run(self, variables: dict[str, Any]) -> Any:
        run = self.runs.get(variables["name"])
        return {"project": {"run": run and run.node()}}

    def sampled(self, variables: dict[str, Any]) -> Any:
        specs = [json.loads(spec) for spec in variables.get("specs") or [variables["spec"]]]
        rows = self.runs[variables.get("name") or variables["run"]].history()
        drawn = [_sample(_with(rows, spec, last=1), spec.get("samples")) for spec in specs]
        return {"project": {"run": {"sampledHistory": drawn}}}

    def full(self, variables: dict[str, Any]) -> Any:
        rows = _sample(self.runs[variables["name"]].history(), variables.get("samples"))
        return {"project": {"run": {"history": [json.dumps(row) for row in rows], "events": []}}}

    def parquet(self, variables: dict[str, Any]) -> Any:
        rows = _with(self.runs[variables["runName"]].history(), {"keys": variables.get("liveKeys")})
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": rows}}}}

    def history_page(self, variables: dict[str, Any]) -> Any:
        rows = _with(self.runs[variables["run"]].history(), variables)
        return {"project": {"run": {"history": [json.dumps(row) for row in rows]}}}


ANSWERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("Viewer", "GetViewer", "GetDefaultEntity"), Server.viewer),
    "ServerFeaturesQuery": Server.features,
    "RunResumeStatus": Server.resume,
    "UpsertBucket": Server.upsert,
    "CreateRunFiles": Server.create_files,
    "Runs": Server.page,
    **dict.fromkeys(("Run", "RunState", "RunHistoryKeys"), Server.run),
    **dict.fromkeys(("RunSampledHistory", "SampledHistoryPage"), Server.sampled),
    "RunFullHistory": Server.full,
    "RunParquetHistory": Server.parquet,
    "HistoryPage": Server.history_page,
}


def _fits(run: Run, key: str, wanted: Any) -> bool:
    """Return True if a run passes one filter: a field of its node, or config.KEY."""
    found = run.values().get(key.removeprefix("config.")) if key.startswith("config.") else run.node()[key]
    if isinstance(wanted, dict):
        assert list(wanted) == ["$in"], f"{wanted}: of the operators only $in is known here"
        return found in wanted["$in"]
    return bool(found == wanted)


def _with(rows: list[Row], spec: dict[str, Any], last: int = 0) -> list[Row]:
    """The rows that hold all keys asked for (those alone), from minStep to before maxStep (`last=1`: to maxStep)."""
    keys, low, high = spec.get("keys"), spec.get("minStep") or 0, spec.get("maxStep")
    rows = [row for row in rows if row.get("_step", 0) >= low and (high is None or row.get("_step", 0) < high + last)]
    return [{key: row[key] for key in keys} for row in rows if set(keys) <= set(row)] if keys else rows


def _sample(rows: list[Row], most: int | None) -> list[Row]:
    """At most so many rows, evenly drawn."""
    return rows if not most or len(rows) <= most else [rows[k * len(rows) // most] for k in range(most)]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"  # the client keeps connections
    server: Server

    def do_POST(self) -> None:
        """GraphQL, file_stream, telemetry."""
        body, path = self._body(), self.path.partition("?")[0]
        if path == "/graphql":
            asked = json.loads(body)
            named = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            operation = named[1] if named else "nameless"
            self._reply(operation, lambda: self.server.answer(operation, asked.get("variables") or {}))
        elif path.endswith("/file_stream"):
            self._reply("file_stream", lambda: self.server.stream(path.split("/")[-2], json.loads(body)))
        else:
            self._reply("telemetry" if path.startswith("/sdk/") else path, lambda: (200, {}))

    def do_PUT(self) -> None:
        """A file's bytes."""
        body = self._body()
        _, _, run_id, name = self.path.split("/", 3)

        def keep() -> tuple[int, dict[str, Any]]:
            with self.server.lock, suppress(KeyError):  # of a run deleted meanwhile
                self.server.runs[run_id].files[name] = body
            return 200, {}

        self._reply("PUT", keep)

    def do_GET(self) -> None:
        """Whatever a browser or a probe asks."""
        self._reply("GET", lambda: (200, {}))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, request: str, answer: Callable[[], tuple[int, dict[str, Any]]]) -> None:
        fault = self.server.meets(request)
        if fault == 0:
            self.close_connection = True
            return
        status, content = (fault, {"error": "ordered by the test"}) if fault else answer()
        text = json.dumps(content).encode()
        with suppress(ConnectionError):  # the client gave up
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server, answering until the block ends."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.heal()
            server.shutdown()
