"""Every Python block of the README and the manual runs, or says why not.

A block that cannot run is preceded by ``<!-- not run: reason -->``. The blocks of one page share a namespace and run in a
directory of their own, so that a page reads as one session. Doctests of the public modules run too.
"""

import asyncio
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import holdall

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]*?) -->\s*\n)?^```(?P<language>[\w+-]*)[^\n]*\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: Path) -> list[tuple[int, str, str | None]]:
    text = page.read_text(encoding="utf-8")
    return [
        (text[: m.start("code")].count("\n") + 1, m["code"], m["reason"])
        for m in FENCE.finditer(text)
        if m["language"] in {"python", "py", "pycon"}
    ]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_of_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    ran = 0
    for line, code, reason in blocks(page):
        if reason is not None:
            assert len(reason) > 10, f"{page}:{line}: say why the block is not run"
            compile(code, f"{page}:{line}", "exec", flags=0x2000)  # it must at least be Python (top-level await allowed)
            continue
        compiled = compile("\n" * (line - 1) + code, str(page), "exec", flags=0x2000)
        if compiled.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(compiled, namespace))
        else:
            exec(compiled, namespace)
        ran += 1
    assert ran or all(reason for _, _, reason in blocks(page))


def modules() -> list[str]:
    """The modules whose examples run; those of ``x_async`` are its blocking twin's, and run there."""
    names = [info.name for info in pkgutil.walk_packages(holdall.__path__, "holdall.")]
    return ["holdall", *(name for name in names if not name.endswith(("_main", "_async")))]


@pytest.mark.parametrize("name", modules())
def test_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # of a stand-in that another test runs
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
