"""A local server that speaks the part of the Hugging Face hub's API that its client uses for models."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_a_token_of_this_test"


@dataclass
class Model:
    """A repository: its visibility, its commits (hash → files) and its branches and tags."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes]) -> str:
        """Add a commit with these files to the branch main; return its hash."""
        text = json.dumps([len(self.commits), sorted((name, sha1(one).hexdigest()) for name, one in files.items())])
        oid = sha1(text.encode()).hexdigest()
        self.commits[oid] = files
        self.refs["main"] = oid
        return oid

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """Return the files of a branch, a tag or a commit. Raises KeyError if there is none."""
        return self.commits[self.refs.get(revision, revision)]


@dataclass
class Hub:
    """The hub's models, uploaded large files, and all requests as ``METHOD path``."""

    address: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def storage(self) -> str:
        """The address of large files: another host, as with the hub."""
        return self.address.replace("127.0.0.1", "localhost")

    def environment(self, home: Any, **more: str) -> dict[str, str]:
        """Return the environment variables with which the hub's client uses this server."""
        # Large files by the LFS protocol: that of Xet is the library hf_xet's own, and not documented.
        quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        return {
            "HF_ENDPOINT": self.address,
            "HF_HOME": str(home),
            "HF_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
            **quiet,
            **more,
        }


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".png"))


class Handler(BaseHTTPRequestHandler):
    """Answers the client's requests; ``server`` holds the ``Hub``."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined]

    def send(self, status: int, body: Any = b"", **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, code: str) -> None:
        self.send(status, {"error": code}, X_Error_Code=code, X_Error_Message=f"{code} (for {TOKEN})")

    @property
    def known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def model(self, name: str) -> Model | None:
        """Return a model that the client may see, or answer that there is none."""
        model = self.hub.models.get(name)
        if model is None or (model.private and not self.known):
            self.refuse(401, "RepoNotFound")
            return None
        return model

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if match := re.fullmatch(r"/large/(\w+)", path):
            content = self.hub.large[match[1]]
            self.send(200, content, ETag=f'"{match[1]}"')
        elif match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/tree/(.+)", path):
            if model := self.model(match[1]):
                files = model.files(match[2]) if model.commits else {}
                self.send(200, [{"type": "file", "path": name, "size": len(one), "oid": sha1(one).hexdigest()}
                                for name, one in files.items()])  # fmt: skip
        elif match := re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(match[1], match[2], match[3])
        else:
            self.send(404, {"error": path})

    def resolve(self, name: str, revision: str, file: str) -> None:
        model = self.model(name)
        if model is None:
            return
        commit = model.refs.get(revision, revision)
        if commit not in model.commits:
            self.refuse(404, "RevisionNotFound")
            return
        content = model.commits[commit].get(file)
        if content is None:
            self.refuse(404, "EntryNotFound")
            return
        if _is_large(file):
            key = sha256(content).hexdigest()
            about = {"X_Linked_Etag": f'"{key}"', "X_Linked_Size": str(len(content))}
            self.send(302, X_Repo_Commit=commit, Location=f"{self.hub.storage}/large/{key}", **about)
            return
        self.send(200, content, X_Repo_Commit=commit, ETag=f'"{sha1(content).hexdigest()}"')

    def do_PUT(self) -> None:
        key, content = self.path.rpartition("/")[2], self.body()
        assert sha256(content).hexdigest() == key
        self.hub.asked.append(f"PUT {self.path}")
        self.hub.large[key] = content
        self.send(200, ETag=f'"{key}"')

    def do_POST(self) -> None:
        path, body = unquote(urlsplit(self.path).path), self.body()
        self.hub.asked.append(f"POST {path}")
        if not self.known:
            self.refuse(401, "RepoNotFound")
        elif path == "/api/validate-yaml":
            front = json.loads(body)["content"].split("---\n")[1]
            wrong = [] if "license:" in front else [{"message": "license is missing"}]
            self.send(400 if wrong else 200, {"errors": wrong, "warnings": []})
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif match := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            files = [{"path": one["path"], "shouldIgnore": False, "uploadMode": "lfs" if _is_large(one["path"]) else
                      "regular"} for one in json.loads(body)["files"]]  # fmt: skip
            self.send(200, {"files": files})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [self.transfer(one) for one in json.loads(body)["objects"]]
            self.send(200, {"transfer": "basic", "objects": objects})
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            self.commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self.send(404, {"error": path})

    def create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        page = f"{self.hub.address}/{name}"
        if name in self.hub.models:
            self.send(409, {"error": "You already created this model repo", "url": page})
            return
        private = wanted.get("visibility") == "private" or wanted.get("private") is True
        self.hub.models[name] = Model(private)
        self.send(200, {"url": page})

    def transfer(self, wanted: dict[str, Any]) -> dict[str, Any]:
        known = wanted["oid"] in self.hub.large
        actions = {"upload": {"href": f"{self.hub.address}/upload/{wanted['oid']}"}}
        return {**wanted, **({} if known else {"actions": actions})}

    def commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        model = self.hub.models[name]
        files = dict(model.files()) if model.commits else {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = model.commit(files)
        self.send(200, {"commitUrl": f"{self.hub.address}/{name}/commit/{oid}", "commitOid": oid})

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """Serve an empty hub until the block ends."""
    hub = Hub()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.hub = hub  # type: ignore[attr-defined]
    hub.address = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
