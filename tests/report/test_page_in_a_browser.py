"""The page in a browser, from a file and without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nil_core import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--virtual-time-budget=4000", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip

OF_THE_BROWSER = re.compile(r"https?://([\w-]+\.)*(google|googleapis|gstatic|gvt1|chromium)\.(com|org)/")
"""Addresses that Chromium asks for on its own, such as the time and spelling dictionaries."""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")


def browse(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


@pytest.fixture
def page(tmp_path: Path, make: Any) -> Path:
    """A report with a name that would do harm as markup."""
    for seed in (0, 1):
        make.run(tmp_path / f"a{seed}", make.config(seed, skill="</script><img src=x onerror=alert(1)>"))
        make.run(tmp_path / f"b{seed}", make.config(seed), speed=0.6)
    return write_report([path for path in sorted(tmp_path.iterdir()) if path.is_dir()], tmp_path / "out").page


def test_page_shows_tables_curves_and_videos_without_a_network(page: Path, tmp_path: Path) -> None:
    net_log = tmp_path / "net.json"
    seen = browse(page, tmp_path / "profile", f"--log-net-log={net_log}", "--enable-logging=stderr", "--dump-dom")
    dom = seen.stdout
    assert 'data-videos="2"' in dom  # the script ran, in spite of the content security policy
    assert dom.count("<video") == 2 and dom.count("<svg") == 6 and dom.count("<table") >= 7
    assert "<img" not in dom and "onerror=alert(1)&gt;" in dom
    assert "Content Security Policy" not in seen.stderr and "Uncaught" not in seen.stderr
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', net_log.read_text(encoding="utf-8")))
    assert [url for url in asked if not OF_THE_BROWSER.match(url)] == []


PROBE = """<script>
const videos = [...document.querySelectorAll("video")], scrub = document.getElementById("scrub");
const loaded = videos.map(video => new Promise(done => video.readyState ? done() : video.onloadedmetadata = done));
Promise.all(loaded).then(() => {
  scrub.value = 500;
  scrub.dispatchEvent(new Event("input"));
  const times = videos.map(video => (video.currentTime / video.duration).toFixed(2));
  document.title = [document.documentElement.scrollWidth, innerWidth, ...times].join(" ");
});
</script>"""


@pytest.mark.parametrize("width", [400, 1280])
def test_page_fits_its_window_and_one_control_moves_all_videos(page: Path, tmp_path: Path, width: int) -> None:
    artifacts = Path(os.environ.get("NIL_TEST_ARTIFACTS", tmp_path))
    artifacts.mkdir(parents=True, exist_ok=True)
    picture = artifacts / f"report-{width}.png"
    flags = (f"--window-size={width},2400",)
    browse(page, tmp_path / "profile", *flags, f"--screenshot={picture}")
    assert picture.stat().st_size > 20_000
    probed = page.with_name("probed.html")  # without the policy, which refuses other scripts than the page's
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    probed.write_text(html.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    dom = browse(probed, tmp_path / "profile", *flags, "--dump-dom").stdout
    found = re.search(r"<title>(\d+) (\d+) (\S+) (\S+)</title>", dom)
    assert found is not None
    assert int(found[1]) <= int(found[2]), "the page is wider than its window"
    assert found[3] == found[4] == "0.50"
