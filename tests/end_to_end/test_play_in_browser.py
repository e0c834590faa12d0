"""``nil play --web``: the page, what it is sent, its controls, and how it ends; once in a real browser."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import mujoco
import numpy as np
import pytest
import viser
import zstandard
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from nil_core.config import resolve
from nil_core.experiment import play_in_browser, web_view
from nil_core.experiment.evaluator import Evaluator, deterministic_policy
from nil_core.experiment.live_episodes import LiveEpisodes
from nil_core.experiment.open_run import OpenRun
from nil_core.experiment.run import run as make_run
from nil_core.experiment.web_view import WebView
from nil_core.reporting import Silent

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SECONDS = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sets = ["simulation.workers=0", "agent.batch_size=16", "training.eval_every=0", "motion.source=generator"]
    config = resolve("smoke", sets=sets).config
    return make_run(config, tmp_path_factory.mktemp("runs") / "walk", reporter=Silent()).folder


@pytest.fixture(scope="module")
def run(folder: Path) -> OpenRun:
    return OpenRun.open(folder)


@pytest.fixture
def view(run: OpenRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebView]:
    """With few triangles, which Chromium draws without a GPU."""
    monkeypatch.setattr(web_view, "build_scene", lambda *arguments, **options: run.experiment.scene)
    with closing(LiveEpisodes(run, "newest")) as episodes:
        opened = WebView(run.experiment, episodes, "127.0.0.1", free_port(), seed=3, title="walk")
        yield opened
        opened.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=SECONDS) as response:
        assert response.status == 200 and response.headers["Content-Type"].startswith("text/html")
        return response.read().decode()


@contextmanager
def connected(port: int) -> Iterator[ClientConnection]:
    protocol: Any = f"viser-v{viser.__version__}"
    with connect(f"ws://127.0.0.1:{port}/", subprotocols=[protocol], max_size=None) as connection:
        yield connection


def receive(connection: ClientConnection, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Add poses as they are sent, node to position and quaternion, until all that are expected are there."""
    end = time.monotonic() + SECONDS
    while not same(found, expected) and time.monotonic() < end:
        data = connection.recv(timeout=SECONDS)
        size = int.from_bytes(data[8:16], "little")
        for message in msgspec.msgpack.decode(zstandard.decompress(data[16 : 16 + size]))["messages"]:
            kind = {"SetPositionMessage": "position", "SetOrientationMessage": "wxyz"}.get(message["type"])
            if kind:
                found.setdefault(message["name"], {})[kind] = message[kind]


def expected_poses(run: OpenRun, qpos: np.ndarray, name: str) -> dict[str, Any]:
    model = run.experiment.scene.model
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    seen = {int(body) for body, group in zip(model.geom_bodyid, model.geom_group, strict=True) if group == 2}
    return {
        f"/world/{name}/{body}": {"position": list(data.xpos[body]), "wxyz": list(data.xquat[body])} for body in seen
    }


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(
        name in found and all(found[name].get(key) == pytest.approx(value, abs=1e-5) for key, value in pose.items())
        for name, pose in expected.items()
    )


def test_an_episode_is_that_of_an_evaluation(run: OpenRun) -> None:
    evaluator = Evaluator(run.experiment, 1, 3)
    episode = evaluator.episodes(deterministic_policy(run.policy(evaluator.env, "newest")))[0]
    evaluator.close()
    with closing(LiveEpisodes(run, "newest")) as live:
        for steps in (2, len(episode.speed)):  # again, after an unfinished one
            live.start(3)
            assert live.qpos == pytest.approx(episode.qpos[0]) and live.reward == 0 and not live.ended
            for _ in range(steps):
                live.step()
                assert live.qpos == pytest.approx(episode.qpos[live.tick])
        assert live.ended and (live.fell, live.falls, live.finished) == (episode.fell, int(episode.fell), 1)
        assert live.reward == pytest.approx(episode.rewards.sum() / run.experiment.env_spec.ticks, rel=1e-4)
        assert live.speed == pytest.approx(episode.speed.mean(), rel=1e-5)


def test_poses_that_are_sent_are_those_of_the_simulation(run: OpenRun, view: WebView) -> None:
    assert "<html" in page(view.port).lower()
    assert view.ghost is not None and run.experiment.reference.motion is not None
    view._show_ghost.value = True
    view.show()
    found: dict[str, Any] = {"/world": {"position": [0.0, 0.0, 0.0]}}  # changes alone are sent
    with connected(view.port) as browser:
        for _ in range(3):
            expected = expected_poses(run, view._episodes.qpos, "robot")
            motion = run.experiment.reference.motion.qpos[view._episodes.tick]
            expected |= expected_poses(run, motion, "reference")
            expected["/world"] = {"position": [*-view._episodes.qpos[:2], 0.0]}
            receive(browser, found, expected)
            assert same(found, expected)
            view._sent = float("-inf")
            view.advance()


def test_the_next_episode_has_the_next_seed(view: WebView) -> None:
    while not view._episodes.ended:
        view.advance()
    view.advance()
    assert (view._episodes.seed, view._seed.value, view._episodes.step_count) == (4, 4, 0)
    assert "in 1 episodes" in view._statistics.content


def test_controls(view: WebView, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_round() -> None:
        with pytest.raises(KeyboardInterrupt):
            view.run()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(view._wake, "wait", interrupt)
    monkeypatch.setattr(view._server, "get_clients", lambda: {0: "a browser"})
    one_round()
    assert view._episodes.step_count == 1
    view._toggle_pause()
    one_round()
    assert view._episodes.step_count == 1 and view._pause.label == "Play"
    view._want(9)
    one_round()
    assert (view._episodes.seed, view._episodes.step_count, view._seed.value) == (9, 0, 9)
    view._toggle_pause()
    monkeypatch.setattr(view._server, "get_clients", dict)
    one_round()
    assert view._episodes.step_count == 0 and view._pause.label == "Pause", "it waits for a browser"


def test_ctrl_c_ends_it(folder: Path, nil: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    port, announce, seen = free_port(), play_in_browser.announce, list[str]()

    def look_and_interrupt() -> None:
        try:
            seen.append(page(port))
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    def announced(*arguments: Any) -> None:
        announce(*arguments)
        threading.Thread(target=look_and_interrupt).start()

    monkeypatch.setattr(play_in_browser, "announce", announced)
    outcome = nil("play", folder, "--web", "--port", port)
    assert seen and outcome.code == 0 and not outcome.err, outcome.err
    assert f"open http://127.0.0.1:{port}\n" in outcome.out and f"ssh -L {port}:localhost:{port} " in outcome.out
    assert outcome.out.endswith("stopped\n") and "viser" not in outcome.out
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


def test_what_keeps_it_from_starting(
    folder: Path, nil: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nil("play", folder, "--web", "--port", port).complains(f"port {port} of 127.0.0.1: Address", "--port ")
    nil("play", folder, "--web", "--host", "192.0.2.1").complains("listen on 192.0.2.1: Cannot", "--host 127.0.0.1")
    nil("play", folder, "--port", "9000").complains("belong to --web", "add --web")
    nil("play", folder, "--web", "--out", "a.mp4").complains("writes no video", "leave out --out")
    nil("play", tmp_path, "--web", "--port", free_port()).complains("is no run folder")
    monkeypatch.setitem(sys.modules, "viser", None)
    nil("play", folder, "--web").complains("needs viser", 'pip install "nil-core[web]"')


class Browser:
    """Headless Chromium, driven over its debugging port."""

    def __init__(self, profile: Path) -> None:
        software = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
        options = ("--headless=new", "--no-sandbox", "--no-first-run", "--disable-background-networking", *software)
        command = [CHROMIUM, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [*command[:-1], "--window-size=1000,700", command[-1]], stderr=subprocess.PIPE, text=True
        )
        stderr: Any = self._process.stderr
        address = next(found[1] for line in stderr if (found := re.search(r"listening on ws://([^/]+)/", line)))
        threading.Thread(target=stderr.read, daemon=True).start()
        with urllib.request.urlopen(f"http://{address}/json/list", timeout=SECONDS) as response:
            (tab,) = (each for each in json.load(response) if each["type"] == "page")
        self._socket = connect(tab["webSocketDebuggerUrl"], max_size=None)
        self._count, self.requested = 0, set[str]()

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv(timeout=SECONDS))).get("id") != self._count:
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.add(message["params"]["request"]["url"])
        return dict(message["result"])

    def screenshot(self) -> Image.Image:
        png = base64.b64decode(self("Page.captureScreenshot", format="png")["data"])
        return Image.open(io.BytesIO(png)).convert("RGB")

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.communicate()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
def test_the_robot_is_seen_in_a_browser(view: WebView, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile")
    try:
        browser("Network.enable")
        view.robot.visible = False
        browser("Page.navigate", url=f"http://127.0.0.1:{view.port}/")
        end = time.monotonic() + SECONDS
        while not view._server.get_clients() and time.monotonic() < end:
            browser("Runtime.evaluate", expression="0")
        (viewer,) = view._server.get_clients().values()
        without = viewer.get_render(height=200, width=300)
        view.robot.visible = True
        view._server.flush()
        seen = viewer.get_render(height=200, width=300)
        close_notification = "document.querySelector('.mantine-Notification-closeButton')?.click()"
        browser("Runtime.evaluate", expression=close_notification)
        picture = browser.screenshot()
        hosts = {url.split("/")[2] for url in browser.requested if url.startswith("http")}
    finally:
        browser.close()
    folder = Path(os.environ.get("NIL_TEST_ARTIFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / "play_in_browser.png")
    changed = np.abs(seen[..., :3].astype(int) - without[..., :3]).max(axis=-1) > 30
    assert 0.01 < changed.mean() < 0.5, "the robot is in the picture"
    panel = np.asarray(picture)[:, -300:]
    assert (panel.max(axis=-1) < 20).mean() > 0.02, "the reference is there, a robot on black"
    assert hosts == {f"127.0.0.1:{view.port}"}, "nothing is fetched from elsewhere"
