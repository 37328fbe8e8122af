"""Modes of `open`, parsed once."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

__all__ = ["OpenMode"]


@dataclass(frozen=True, slots=True)
class OpenMode:
    """What a mode string asks for.

    Attributes:
        act: ``r``, ``w``, ``a`` or ``x``.
        text: Text, not bytes.
        plus: Reading and writing both.
    """

    act: str
    text: bool
    plus: bool

    @classmethod
    def parse(cls, mode: str) -> OpenMode:
        """Read a mode string as `open` does.

        Raises:
            TypeError: Not a ``str``.
            ValueError: Not a mode.

        Example:
            >>> OpenMode.parse("rb+")
            OpenMode(act='r', text=False, plus=True)
        """
        if not isinstance(mode, str):
            raise TypeError(f"a mode is a str, not {type(mode).__name__}")
        letters = set(mode)
        acts = letters & set("rwax")
        if len(letters) != len(mode) or letters - set("rwaxbt+") or len(acts) != 1 or {"b", "t"} <= letters:
            raise ValueError(f"invalid mode: {mode!r}")
        return cls(acts.pop(), "b" not in letters, "+" in letters)

    @property
    def writes(self) -> bool:
        """Whether anything may be written."""
        return self.act != "r" or self.plus

    def check_text(self, *, encoding: str | None, errors: str | None, newline: str | None, buffering: int) -> None:
        """Refuse what goes with the other kind of file.

        Raises:
            ValueError: Text arguments for bytes, unbuffered text, or an unknown newline.
            LookupError: An unknown encoding or way with errors.
        """
        if self.text:
            if buffering == 0:
                raise ValueError("can't have unbuffered text I/O")
            if newline not in {None, "", "\n", "\r", "\r\n"}:
                raise ValueError(f"illegal newline value: {newline!r}")
            if encoding not in {None, "locale"}:
                codecs.lookup(str(encoding))
            if errors is not None:
                codecs.lookup_error(errors)
            return
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"binary mode doesn't take an {name!r} argument")

    def __str__(self) -> str:
        return f"{self.act}{'' if self.text else 'b'}{'+' if self.plus else ''}"
