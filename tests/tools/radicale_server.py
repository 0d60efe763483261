"""A real CalDAV server in a process of its own: Radicale, on a loopback port, with a folder."""

import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tools.calendars.caldav import CalDav, CalDavConfig
from tools.practices import Practice

USER, PASSWORD = "hillside", "swordfish"
STARTS_WITHIN_S = 20.0
PORTS = 3
UNTIL_WE_END = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
runpy.run_module("radicale", run_name="__main__", alter_sys=True)
"""
"""Radicale, for as long as somebody holds the other end of its input: a test that is killed leaves
nobody behind."""

_calendars = count()


class Radicale:
    """One server; what it keeps outlives a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, after a stop at the same port; a first port may be lost to somebody quicker."""
        if self.port:
            assert self._starts()
            return
        for _ in range(PORTS):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            if self._starts():
                return
        raise AssertionError("Radicale did not start")

    def _starts(self) -> bool:
        users = self._folder / "users"
        users.write_text(f"{USER}:{PASSWORD}\n")
        options = {
            "server-hosts": f"127.0.0.1:{self.port}",
            "server-max-connections": "100",
            "auth-type": "htpasswd",
            "auth-htpasswd-filename": str(users),
            "auth-htpasswd-encryption": "plain",
            "auth-delay": "0",
            "storage-filesystem-folder": str(self._folder / "collections"),
            "logging-level": "error",
        }
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", UNTIL_WE_END, "--config", "", *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            if self._process.poll() is not None:
                return False
            try:
                httpx.get(self.url, timeout=1.0)
            except httpx.TransportError:
                assert time.monotonic() < until, "Radicale did not answer"
                time.sleep(0.02)
            else:
                return True

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate()

    def new_calendar(self) -> str:
        """A calendar of a test's own; its name."""
        name = f"calendar-{next(_calendars)}"
        made = self.ask("MKCALENDAR", f"{name}/")
        assert made.status_code == 201, made.text
        return name

    def ask(self, method: str, path: str, body: str = "") -> httpx.Response:
        """What another client of the same calendars does."""
        return httpx.request(
            method,
            f"{self.url}/{USER}/{path}",
            content=body.replace("\n", "\r\n"),
            auth=(USER, PASSWORD),
            headers={"Content-Type": "text/calendar", "Depth": "1"},
        )

    def put_event(self, calendar: str, name: str, *lines: str) -> None:
        """An event as somebody at the practice enters it."""
        uid = [] if any(line.startswith("UID") for line in lines) else [f"UID:{name}"]
        whole = ("DTSTAMP:20261101T000000Z", *uid, "SUMMARY:Private", *lines)
        answer = self.ask("PUT", f"{calendar}/{name}.ics", an_object(*whole))
        assert answer.status_code in (201, 204), answer.text

    def names(self, calendar: str) -> list[str]:
        """The names of what is in a calendar."""
        answer = self.ask("PROPFIND", f"{calendar}/")
        parts = answer.text.split("<href>")[1:]
        names = [part.partition("</href>")[0].rpartition("/")[2] for part in parts]
        return sorted(name for name in names if name)

    def caldav(
        self, client: httpx.AsyncClient, practice: Practice, *, url: str = "", **calendars: str
    ) -> CalDav:
        """The adapter; provider → name of their calendar."""
        return CalDav(
            CalDavConfig(
                url=f"{url or self.url}/{USER}/",
                calendars={provider: f"{name}/" for provider, name in calendars.items()},
                username=USER,
                password_env="CALDAV",
            ),
            client,
            practice,
            password=PASSWORD,
        )


def an_object(*lines: str) -> str:
    """An event of these lines, whatever they are."""
    return "\n".join(
        (
            *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Somebody//else//EN"),
            *("BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""),
        )
    )


def config_of(server: Radicale, **calendars: str) -> dict[str, Any]:
    """What a practice says about such a calendar."""
    return {
        "kind": "caldav",
        "url": f"{server.url}/{USER}/",
        "calendars": {provider: f"{name}/" for provider, name in calendars.items()},
        "username": USER,
        "password_env": "HILLSIDE_CALDAV",
    }
