"""A hub of ones own."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler

import huggingface_hub.constants  # noqa: F401 - the library's own address is fixed before a test sets one

COMMIT = "0" * 40


class Hub(BaseHTTPRequestHandler):
    """What uploading small files and downloading takes of the hub's API."""

    def log_message(self, *_):
        pass

    def answer(self, code, tree=None, data=b"", **headers):
        body = data if tree is None else json.dumps(tree).encode()
        self.send_response(code)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        files, where = self.server.files, f"http://127.0.0.1:{self.server.server_port}"
        if self.headers.get("Authorization") != "Bearer hf_right":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path == "/api/repos/create":
            asked = json.loads(said)
            self.server.private = asked.get("private") or asked.get("visibility") == "private"
            name = f"{asked.get('organization', 'me')}/{asked['name']}"
            return self.answer(200, {"url": f"{where}/{name}", "name": name})
        if self.path.endswith("/preupload/main"):
            how = {"uploadMode": "regular", "shouldIgnore": False}
            named = [{"path": f["path"]} | how for f in json.loads(said)["files"]]
            return self.answer(200, {"files": named})
        if "/commit/main" in self.path:
            for line in said.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            tree = {"commitUrl": f"{where}/me/one/commit/{COMMIT}", "commitOid": COMMIT}
            return self.answer(200, tree | {"pullRequestUrl": None})
        return self.answer(200, {})

    def do_GET(self):
        name = self.path.partition("/resolve/main/")[2]
        if self.path.startswith("/api/models/me/one") and self.server.private is not None:
            return self.answer(200, {"id": "me/one", "sha": COMMIT, "siblings": [], "private": False})
        if not self.path.startswith("/me/one/") or name not in self.server.files:
            code = "EntryNotFound" if self.path.startswith("/me/one/") else "RepoNotFound"
            return self.answer(404, {}, X_Error_Code=code)
        data = self.server.files[name]
        tag = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X_Repo_Commit": COMMIT}
        return self.answer(200, data=data, **tag)

    do_HEAD = do_GET
