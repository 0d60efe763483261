"""The Procfile is read as the platforms read it."""

import sys
from pathlib import Path

import pytest

from admin import procfile
from admin.errors import ProcfileError


def test_the_lines_come_in_the_files_order(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("# how it runs\nrelease: holdfast migrate\n\nweb:  holdfast bridge --x=1 \n")

    assert procfile.read(file) == {"release": "holdfast migrate", "web": "holdfast bridge --x=1"}


@pytest.mark.parametrize("line", ["holdfast bridge", "web:", "two words: holdfast bridge"])
def test_a_line_that_is_none_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    file = tmp_path / "Procfile"
    file.write_text(f"web: holdfast bridge\n{line}\n")

    with pytest.raises(ProcfileError, match="Procfile:2"):
        procfile.read(file)


def test_a_name_may_not_be_there_twice(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("web: holdfast bridge\nweb: holdfast admin\n")

    with pytest.raises(ProcfileError, match="'web' is there twice"):
        procfile.read(file)


def test_our_own_command_needs_no_path() -> None:
    assert procfile.arguments("holdfast bridge") == [sys.executable, "-m", "admin.cli", "bridge"]


def test_any_other_line_goes_through_the_shell() -> None:
    assert procfile.arguments('other "$PORT"') == ["/bin/sh", "-c", 'exec other "$PORT"']


def test_the_checkouts_own_file_names_the_four_processes() -> None:
    assert procfile.read(procfile.find()) == {
        "release": "holdfast migrate",
        "web": "holdfast bridge",
        "worker": "holdfast worker",
        "admin": "holdfast admin",
    }
