"""On which line of a TOML text each key stands; TOML readers do not say.

Takes a text that ``tomllib`` has accepted, and so looks only for where things begin and end.
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]
"""Keys, and places in arrays, from the top of the file."""

_BLANKS: Final = re.compile(r"[ \t]*")
_BETWEEN: Final = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    # The quotes of a long string's end may be preceded by two that belong to it.
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLAIN_VALUE: Final = re.compile(r"[^\n,\]}#]+|.", re.DOTALL)


class Lines:
    """Where the keys of one text stand; lines count from 1."""

    def __init__(self, text: str) -> None:
        """``text`` is valid TOML with ``\\n`` at the end of its lines."""
        self._text = text
        self._at = 0
        self._starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
        self._lines: dict[Path, int] = {(): 1}
        self._entries: dict[Path, int] = {}
        """Of each array of tables, how many there are so far."""
        self._read()

    def of(self, path: Path) -> int:
        """The line of a key, or of the nearest thing around it that is written down."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _read(self) -> None:
        table: Path = ()
        while self._skip(_BETWEEN) < len(self._text):
            if self._next("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        line, array = self._line(), self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        path: Path = ()
        for key in self._keys():
            path = self._newest_entry((*path, key))
            self._lines.setdefault(path, line)
        if array:
            path = self._new_entry(path, line)
        self._skip(_BLANKS)
        self._at += 2 if array else 1
        self._lines[path] = line  # of a table that was only implied until now
        return path

    def _newest_entry(self, path: Path) -> Path:
        return (*path, self._entries[path] - 1) if path in self._entries else path

    def _new_entry(self, path: Path, line: int) -> Path:
        table = path[:-1] if isinstance(path[-1], int) else path
        place = self._entries.get(table, 0)
        self._entries[table] = place + 1
        self._lines.setdefault(table, line)
        return (*table, place)

    def _pair(self, table: Path) -> None:
        line, path = self._line(), table
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._skip(_BLANKS)
        self._at += len("=")
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANKS)
            if self._next('"') or self._next("'"):
                keys.append(self._quoted())
            else:
                keys.append(self._take(_BARE_KEY))
            self._skip(_BLANKS)
            if not self._next("."):
                return keys
            self._at += len(".")

    def _quoted(self) -> str:
        key: str = tomllib.loads(f"key = {self._take(_STRING)}")["key"]
        return key

    def _value(self, path: Path) -> None:
        self._skip(_BLANKS)
        if self._next("["):
            self._array(path)
        elif self._next("{"):
            self._inline_table(path)
        elif self._next('"') or self._next("'"):
            self._take(_STRING)
        else:
            self._take(_PLAIN_VALUE)

    def _array(self, path: Path) -> None:
        self._at += len("[")
        place = 0
        while not self._closes("]"):
            self._lines[*path, place] = self._line()
            self._value((*path, place))
            place += 1

    def _inline_table(self, path: Path) -> None:
        self._at += len("{")
        while not self._closes("}"):
            self._pair(path)

    def _closes(self, bracket: str) -> bool:
        self._skip(_BETWEEN)
        if self._next(","):
            self._at += len(",")
            self._skip(_BETWEEN)
        if self._next(bracket):
            self._at += len(bracket)
            return True
        return self._at >= len(self._text)

    # --- the text ----------------------------------------------------------------------------

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _next(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._take(pattern)
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        taken = "" if found is None else found.group()
        self._at += len(taken)
        return taken
