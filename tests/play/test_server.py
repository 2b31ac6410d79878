"""The server of the playground: whom it refuses, what it sends, how much it takes, and how it begins and ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("websockets")
testclient = pytest.importorskip("starlette.testclient", exc_type=(ImportError, RuntimeError))

from starlette.websockets import WebSocketDisconnect  # noqa: E402

from minigrad._pictures import MINUS, PLUS  # noqa: E402
from minigrad.play import server  # noqa: E402

HERE = "http://127.0.0.1:8717"
SESSION = "ws://127.0.0.1:8717/session"
FILES = ["", "play.js", "common.js", "neuron.js", "step.js", "style.css", "colours.css", "icon.svg"]


@pytest.fixture
def client():
    with testclient.TestClient(server.application(most=3), base_url=HERE) as client:
        yield client


def talk(ws, **message):
    """Send a message and read the frame, or the answer, that follows."""
    ws.send_text(json.dumps(message))
    ws.send_text(server.DRAWN)
    return json.loads(ws.receive_text())


def test_it_says_when_it_is_ready(client):
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_the_page_are_served_and_kept_from_running_anything_else(client, name):
    answer = client.get(f"/{name}")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/server.py", "/page/play.js", "/etc/passwd"])
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_the_page_names_no_other_site_and_holds_no_script_of_its_own():
    for path in server.PAGE.iterdir():
        text = path.read_text("utf-8")
        assert set(re.findall(r"https?://[^\s\"'`]*", text)) <= {"http://www.w3.org/2000/svg"}, path.name
        assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|javascript:", text), path.name
        assert not re.search(r"\beval\(|\bFunction\(|setTimeout\([\"'`]", text), path.name


def test_the_colours_are_those_of_the_pictures(client):
    text = client.get("/colours.css").text
    assert f"--plus: {PLUS}" in text
    assert f"--minus: {MINUS}" in text
    assert "--leaky-relu: #" in text


FOREIGN = [
    {"host": "evil.example"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "[::1"},
    {"host": ""},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:8718"},
    {"origin": "https://127.0.0.1:8717"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_comes_from_elsewhere_is_refused(client, headers):
    for path in ("/", "/healthz", "/play.js"):
        assert client.get(path, headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SESSION, headers=headers):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1:8717", "localhost:8717", "localhost:9"])
def test_its_own_page_is_answered_by_every_name_of_this_machine(client, host):
    headers = {"host": host, "origin": f"http://{host}"}
    assert client.get("/", headers=headers).status_code == 200
    with client.websocket_connect(SESSION, headers=headers) as ws:
        assert talk(ws, do="open", address="")["frame"]["scene"] == "neuron"


def test_two_tabs_are_two_sessions(client):
    with client.websocket_connect(SESSION) as one, client.websocket_connect(SESSION) as two:
        assert talk(one, do="set", name="lr", value="0.5")["frame"]["controls"]["lr"] == "0.5"
        assert talk(two, do="open", address="")["frame"]["controls"]["lr"] == "1.87"


def test_tabs_beyond_the_most_are_told_so_until_one_closes(client):
    with client.websocket_connect(SESSION), client.websocket_connect(SESSION):
        with client.websocket_connect(SESSION), client.websocket_connect(SESSION) as fourth:
            assert "close one" in talk(fourth, do="open", address="")["full"]
            with pytest.raises(WebSocketDisconnect):
                fourth.receive_text()
        for _ in range(50):  # a session ends with its tab, a moment later
            with client.websocket_connect(SESSION) as third:
                answer = talk(third, do="open", address="")
            if "frame" in answer:
                return
            time.sleep(0.02)
    pytest.fail("the closed tabs still count")


def test_a_frame_comes_only_when_the_last_one_is_drawn(client):
    with client.websocket_connect(SESSION) as ws:
        first = talk(ws, do="open", address="")
        for lr in ("0.1", "0.2", "0.3"):
            ws.send_text(json.dumps({"do": "set", "name": "lr", "value": lr}))
        ws.send_text(json.dumps({"do": "python"}))
        assert "0.3" in json.loads(ws.receive_text())["python"]  # and no frame before it
        ws.send_text(server.DRAWN)
        assert json.loads(ws.receive_text())["frame"]["controls"]["lr"] == "0.3"
        assert first["frame"]["controls"]["lr"] == "1.87"


def test_a_run_is_stopped_in_between(client):
    with client.websocket_connect(SESSION) as ws:
        talk(ws, do="set", name="lr", value="0.001")
        assert talk(ws, do="act", action="run")["frame"]["running"] is True
        frame = talk(ws, do="act", action="stop")["frame"]
        while frame["running"]:  # a frame that was on its way
            ws.send_text(server.DRAWN)
            frame = json.loads(ws.receive_text())["frame"]
        assert 0 < int(frame["values"]["steps"][1]) < 200


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"do": "act"}', '{"do": "set", "name": "lr", "value": "much"}'])
def test_a_bad_message_is_answered_with_a_sentence_and_the_session_goes_on(client, text):
    with client.websocket_connect(SESSION) as ws:
        ws.send_text(text)
        assert len(json.loads(ws.receive_text())["refused"]) > 5
        assert "frame" in talk(ws, do="open", address="")


def test_bytes_end_the_session_and_not_the_server(client):
    with client.websocket_connect(SESSION) as ws:
        ws.send_bytes(b"\x00")
    assert client.get("/healthz").status_code == 200


# ---- the process -----------------------------------------------------------------------------------------


def start(*arguments):
    """`minigrad play` in a process of its own, and the first line that it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "minigrad", "play", "--no-browser", *arguments], stderr=subprocess.PIPE, text=True
    )
    return process, process.stderr.readline()


def test_the_command_says_its_address_takes_large_messages_for_what_they_are_and_ends_quietly():
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    process, line = start("--port", "0")
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", line).group()
        assert urllib.request.urlopen(f"{address}healthz").status == 200
        with connect(address.replace("http", "ws") + "session") as ws:
            ws.send("x" * 3_000_000)
            with pytest.raises(ConnectionClosed):
                ws.recv()
        assert urllib.request.urlopen(f"{address}healthz").status == 200
        with connect(address.replace("http", "ws") + "session") as ws:
            ws.send(json.dumps({"do": "act", "action": "run"}))
            process.send_signal(signal.SIGINT)  # while a tab is open and something runs
            assert process.wait(10) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_port_in_use_is_named_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, line = start("--port", str(port))
        assert process.wait(10) == 1
        process.stderr.close()
        assert f"port {port}" in line
        assert "--port" in line


def test_it_listens_on_this_machine_alone():
    with server.listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_where_the_usual_port_is_in_use_another_is_taken(monkeypatch):
    with server.listen(0) as taken:
        monkeypatch.setattr(server, "PORT", taken.getsockname()[1])
        with server.listen(None) as other:
            assert other.getsockname()[1] != taken.getsockname()[1]


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "websockets"])
def test_without_its_extra_the_command_says_what_to_install(missing, tmp_path):
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "minigrad", "play", "--no-browser"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"minigrad: play needs {missing}: pip install starlette uvicorn websockets\n"
