"""HTML page that shows several references side by side. It needs only the reference folders next to it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from nil_core.errors import NilError
from nil_core.reference.first_frame_match import FirstFrameMatch
from nil_core.reference.folder import PROVENANCE
from nil_core.reference.mask_quality import MaskQuality

NAME = "index.html"
MARK = '<meta name="generator" content="nil">'
"""Marks a page as written by nil, so that it may be overwritten."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
$mark
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
main { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); }
article { border: 1px solid #8886; border-radius: 8px; padding: 1rem; }
h2 { font-size: 1.05rem; margin: 0 0 .6rem; }
video { background: #000; height: 18rem; object-fit: contain; width: 100%; }
video + video { height: 9rem; }
p { margin: .5rem 0; }
pre, code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
.warning { color: #b00020; }
@media (prefers-color-scheme: dark) { .warning { color: #ff8a80; } }
</style>
</head>
<body>
<h1>$title</h1>
<p><button id="again">Restart all videos</button></p>
<main>
$articles
</main>
<script>
document.getElementById("again").onclick = () =>
  document.querySelectorAll("video").forEach(video => { video.currentTime = 0; video.play(); });
</script>
</body>
</html>
"""


def contact_sheet(folder: Path, title: str, names: list[str], failures: Mapping[str, NilError]) -> str:
    """Build the page.

    Args:
        folder: of the page; ``folder/name`` is the reference of each name that is not in ``failures``.
        title: heading.
        names: in display order.
        failures: name to error, for the references that failed.

    Returns:
        HTML.
    """
    articles = [_failure(name, failures[name]) if name in failures else _reference(folder, name) for name in names]
    return Template(_PAGE).substitute(mark=MARK, title=escape(title), articles="\n".join(articles))


def _reference(folder: Path, name: str) -> str:
    provenance = json.loads((folder / name / PROVENANCE).read_text(encoding="utf-8"))
    video = provenance["video"]
    height, width = video["size"]
    seconds = (video["frames"] - 1) / video["fps"]
    lines = [
        escape(provenance["prompt"]),
        f"{video['frames']} frames of {width}x{height} at {video['fps']:g} fps, {seconds:.2f} s",
        *([f"<b>{escape(cost)}</b>"] if (cost := _cost(video["facts"].get("cost"))) else []),
        *_remarks(provenance),
        f"<code>nil run --reference {escape(shlex.quote(str(folder / name)))}</code>",
    ]
    paragraphs = "\n".join(f"<p>{line}</p>" for line in lines)
    return f"""<article>
<h2>{escape(name)}</h2>
<video src="{quote(name)}/video.mp4" autoplay controls loop muted playsinline></video>
<video src="{quote(name)}/masks.mp4" autoplay loop muted playsinline title="masks"></video>
{paragraphs}
<details><summary>Provenance</summary>
<pre>{escape(json.dumps(provenance, indent=2))}</pre>
</details>
</article>"""


def _remarks(provenance: Mapping[str, Any]) -> list[str]:
    """Remarks on length, masks and first frame, as in the log; warnings in red."""
    quality, match = MaskQuality(**provenance["masks"]), FirstFrameMatch(**provenance["first_frame"])
    remarks = [(remark, True) for remark in provenance["video"]["remarks"]]
    remarks += [(str(quality), quality.doubtful), (str(match), not match.close)]
    return [f'<span class="warning">{escape(text)}</span>' if doubtful else escape(text) for text, doubtful in remarks]


def _failure(name: str, error: NilError) -> str:
    return f"""<article>
<h2>{escape(name)}</h2>
<p class="warning">{escape(error.message)}</p>
<p>{escape(error.hint)}</p>
</article>"""


def _cost(cost: Any) -> str:
    """Cost noted by hosted generators: estimate, currency, and the cost that the service reported."""
    if not isinstance(cost, Mapping) or cost.get("estimate") is None:
        return ""
    reported = f", reported: {cost['reported']}" if cost.get("reported") is not None else ""
    return f"about {cost['estimate']:.2f} {cost.get('currency', '')}{reported}"
