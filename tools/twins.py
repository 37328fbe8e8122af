"""Write the blocking twin ``x.py`` of every ``x_async.py``: drop ``async`` and ``await``, the ``_async`` suffix and a few names.

Usage: ``python tools/twins.py`` writes, ``--check`` fails if a twin is stale, missing or orphaned, or if a rule of the table is used by
no file. Token based: comments stay, docstrings get the same names. Uniform naming keeps it small: every coroutine function,
module and helper of ours that has a blocking pair ends with ``_async``. A line that ends with ``# async only`` is left out.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "AsyncIterator": "Iterator",
    "AsyncGenerator": "Generator",
    "AsyncExitStack": "ExitStack",
    "AsyncAhead": "Ahead",
    "AsyncAsk": "Ask",
    "AsyncBegun": "Begun",
    "AsyncCalling": "Calling",
    "AsyncCrew": "Crew",
    "AsyncPipe": "Pipe",
    "AsyncSizedChunks": "SizedChunks",
    "AsyncSource": "Source",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "anext": "next",
    "aiter": "iter",
    "aclose": "close",
}
HEADER = "# Generated from {name} by tools/twins.py: change that file, not this one.\n"
used: set[str] = set()


def rename(name: str) -> str:
    """Return the blocking name of one identifier."""
    if name in NAMES:
        used.add(name)
        return NAMES[name]
    return re.sub(r"_async(?=_|$)|(?<=^)async_(?=[a-z])", "", name) if name.endswith("_async") or "_async_" in name else name


def twin(text: str, name: str) -> str:
    """Return the blocking source of an async source."""
    text = "".join(line for line in text.splitlines(keepends=True) if not line.rstrip().endswith("# async only"))
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        (row, start), (last, end) = token.start, token.end
        if token.type == tokenize.NAME and token.string in {"async", "await"}:
            line = lines[row - 1]
            lines[row - 1] = line[:start] + line[end:].removeprefix(" ")
        elif token.type == tokenize.NAME:
            line = lines[row - 1]
            lines[row - 1] = line[:start] + rename(token.string) + line[end:]
        elif token.type in {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}:
            block = "".join(lines[row - 1 : last])
            tail = len(lines[last - 1]) - end
            body = block[start : len(block) - tail]
            body = re.sub(r"\w+", lambda m: rename(m.group()), re.sub(r"\b(?:async|await) (?=\w)", "", body))
            lines[row - 1 : last] = (block[:start] + body + block[len(block) - tail :]).splitlines(keepends=True)
    return HEADER.format(name=name) + "".join(lines)


def formatted(text: str, path: Path) -> str:
    """Return the text as ruff would leave it (import order and line breaks change with shorter names, a loop that only yields is ``yield from``)."""
    for command in (
        ["check", "--select=I,F401,UP028", "--fix", "--unsafe-fixes", "--exit-zero", "--quiet"],
        ["format", "--quiet"],
    ):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *command, f"--stdin-filename={path}", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return text


def main() -> int:
    """Write or check all twins; return the number of faults."""
    check = "--check" in sys.argv[1:]
    faults: list[str] = []
    expected: set[Path] = set()
    for source in sorted((ROOT / "src").rglob("*_async.py")):
        target = source.with_name(source.name.replace("_async.py", ".py"))
        expected.add(target)
        text = formatted(twin(source.read_text(encoding="utf-8"), source.name), target)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            if check:
                faults.append(f"stale: {target.relative_to(ROOT)}; run python tools/twins.py")
            else:
                target.write_text(text, encoding="utf-8")
                print(f"wrote {target.relative_to(ROOT)}")
    faults.extend(
        f"orphan: {path.relative_to(ROOT)} has no _async source"
        for path in (ROOT / "src").rglob("*.py")
        if path not in expected and path.read_text(encoding="utf-8").startswith(HEADER.split("{", 1)[0])
    )
    if check and expected and (unused := NAMES.keys() - used):
        faults.append(f"rules used by no file: {', '.join(sorted(unused))}")
    print("\n".join(faults) or f"{len(expected)} twins are up to date")
    return len(faults)


if __name__ == "__main__":
    sys.exit(min(1, main()))
