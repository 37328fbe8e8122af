"""The command as a function, and as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdall.cli import main


class Said:
    """What a run of the command gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a tree and a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDALL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    for name, text in {"src/a.txt": "aaa", "src/d/b.txt": "bbbb", "src/d/c.bin": "\0\1"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "store").mkdir()
    (tmp_path / "holdall.toml").write_text(
        f'[mounts.disk]\ntype = "local"\npath = "{tmp_path}/store"\n'
        '[mounts.docs]\npath = "disk:docs"\n[mounts.fixed]\npath = "disk:"\npermissions = "readonly"\n'
        '[mounts.cloud]\ntype = "s3"\nbucket = "b"\nkey = "AKIAIOSFODNN7EXAMPLE"\nsecret = "hunter2-secret"\n'
    )
    return tmp_path


@pytest.fixture
def run(here: Path, capfd: pytest.CaptureFixture[str]):
    """Run the command in this process."""

    def run(*arguments: str) -> Said:
        capfd.readouterr()
        code = main(arguments)
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def spawn(here: Path):
    """Run the command as a process."""

    def spawn(*arguments: str, **named) -> subprocess.Popen[bytes]:
        named.setdefault("stdout", subprocess.PIPE)
        named.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([sys.executable, "-m", "holdall.cli", *arguments], cwd=here, **named)

    return spawn
