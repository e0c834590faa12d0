"""``nil play --web``: a run's policy in a browser."""

from __future__ import annotations

import errno
import socket
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from nil_core.errors import ConfigError, PluginError
from nil_core.experiment.live_episodes import LiveEpisodes
from nil_core.experiment.open_run import OpenRun
from nil_core.reporting import Lines, Reporter

LOOPBACK = "127.0.0.1"
PORT = 8080


def play_in_browser(
    folder: Path,
    host: str = LOOPBACK,
    port: int = PORT,
    seed: int = 0,
    which: str = "newest",
    reporter: Reporter | None = None,
) -> None:
    """Show a run's policy in a browser, episode after episode, until Ctrl-C.

    Simulation waits while no browser is connected.

    Args:
        folder: the run folder.
        host: address to listen on; the page has no password, so others than ``127.0.0.1`` share it with the network.
        port: TCP port to listen on.
        seed: of the first episode; the next has the next seed.
        which: ``newest`` or ``best`` checkpoint.
        reporter: receives messages.

    Raises:
        PluginError: viser is not installed.
        ConfigError: nothing can listen on this host and port.
        RunError: no run, or no policy in it.
    """
    reporter = reporter or Lines()
    if find_spec("viser") is None:
        raise PluginError("nil play --web needs viser", 'pip install "nil-core[web]"')
    check_port(host, port)
    from nil_core.experiment.web_view import WebView

    run = OpenRun.open(folder)
    with closing(LiveEpisodes(run, which)) as episodes:
        view = WebView(run.experiment, episodes, host, port, seed, title=run.folder.path.resolve().name)
        try:
            announce(host, view.port, reporter)
            view.run()
        except KeyboardInterrupt:
            reporter.say("stopped")
        finally:
            view.close()


def check_port(host: str, port: int) -> None:
    """Raise a ConfigError if nothing can listen there; viser would take another port."""
    problem = _listening_problem(host, port)
    if problem is None:
        return
    reason = getattr(problem, "strerror", None) or str(problem)
    if getattr(problem, "errno", None) not in (errno.EADDRINUSE, errno.EACCES):
        raise ConfigError(f"cannot listen on {host}: {reason}", f"--host {LOOPBACK}")
    others = (*range(port + 1, port + 100), *range(PORT, PORT + 100))
    free = next((other for other in others if other < 2**16 and _listening_problem(host, other) is None), PORT)
    raise ConfigError(f"cannot listen on port {port} of {host}: {reason}", f"--port {free}")


def _listening_problem(host: str, port: int) -> Exception | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except (OSError, UnicodeError) as error:
        return error
    return None


def announce(host: str, port: int, reporter: Reporter) -> None:
    """Say where the page is, and how to reach it from another machine."""
    name = socket.gethostname()
    everywhere = host in ("0.0.0.0", "::")
    reporter.say(f"open http://{name if everywhere else host}:{port}")
    if host in (LOOPBACK, "localhost", "::1"):
        reporter.say(
            f"from another machine: ssh -L {port}:localhost:{port} {name}, then open http://localhost:{port} there"
        )
    else:
        reporter.warn("the page has no password: everyone who reaches this address can see and use it")
    reporter.say("Ctrl-C ends it")
