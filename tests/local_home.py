"""A server on this machine that behaves as homes do: it refuses, cuts, sends elsewhere, answers in part."""

import contextlib
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`, each request as the next entry of `server.plans[path]` says."""

    def do_GET(self):
        plan = (self.server.plans.get(self.path) or [{}]).pop(0)
        body, asked = self.server.files.get(self.path), self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and plan.get("ranges", True) else 0
        agent = self.headers.get("User-Agent", "")
        self.server.agents.append(agent)
        if agent.startswith(self.server.refused_agents):
            plan = {"status": 403}
        status = plan.get("status") or (404 if body is None else 416 if start >= len(body) > 0 else 200)
        if status != 200:
            sent = b"<html>no</html>"
        else:
            status, sent = (206, body[start:]) if start else (200, body)
        self.send_response(status)
        if status in (206, 416) and plan.get("says_range", True):
            first = start + plan.get("shift", 0)
            span = f"{first}-{len(body) - 1}" if status == 206 else "*"
            self.send_header("Content-Range", f"bytes {span}/{len(body)}")
        if plan.get("says_length", True):
            self.send_header("Content-Length", str(len(sent)))
        sent = sent[: plan.get("cut", len(sent))]
        for name, value in plan.get("headers", {}).items():
            self.send_header(name, value)
        self.server.seen.append((self.path, asked, status, len(sent)))  # before the client can see an answer
        self.end_headers()
        if plan.get("stall"):
            self.server.stopping.wait(5)
        self.wfile.write(sent)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.plans, server.seen = {}, {}, []
    server.agents, server.refused_agents = [], ("nobody",)
    server.stopping = threading.Event()
    server.handle_error = lambda *_: None  # such as of a client that has gone
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    server.server_close()
    thread.join()
