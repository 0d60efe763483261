"""What the network does to one stream on its way to the bridge: loses, delays, holds, goes quiet.

Pure and seeded; nothing ever overtakes anything (F11). Leaves what the messages say, and which of
them may be lost at all, to ``stream``.
"""

import random
from collections import deque

import msgspec

from bridge.simulator.knobs import Weather

__all__ = ["Network", "Parcel"]


class Parcel(msgspec.Struct, frozen=True, gc=False):
    """One message on its way."""

    text: str
    is_sound: bool = False
    """A frame of the caller's; all else is Twilio's own."""
    speech_bytes: int = 0
    """How much of it she speaks in."""


class Network:
    """The way out of one stream. Give it every message, and take what has come through."""

    def __init__(self, weather: Weather, chance: random.Random, first_media_at: float) -> None:
        self._weather = weather
        self._chance = chance
        self._on_its_way: deque[tuple[float, Parcel]] = deque()
        self._last_at = 0.0
        self._stalls = [_between(first_media_at, *spell) for spell in weather.every_stall]
        self._holds = [_between(first_media_at, *spell) for spell in weather.holds]

    def stall(self, now: float, seconds: float) -> None:
        """From now on nothing of the caller's gets through for so long."""
        self._stalls = [*_to_come(self._stalls, now), (now, now + seconds)]

    def hold(self, now: float, seconds: float) -> None:
        """From now on everything is kept back for so long, and then comes at once."""
        self._holds = [*_to_come(self._holds, now), (now, now + seconds)]

    def stalled(self, now: float) -> bool:
        """Whether the line is quiet, and the caller's frames with it."""
        return _within(self._stalls, now)

    def loses(self) -> bool:
        """Whether one frame never arrives."""
        return self._chance.random() < self._weather.lost_share

    def send(self, parcel: Parcel, now: float) -> None:
        """Another message, behind all the others."""
        longest_s = self._weather.jitter_ms / 1000 if parcel.is_sound else 0.0
        self._last_at = max(self._last_at, now + self._chance.uniform(0, longest_s))
        self._on_its_way.append((self._last_at, parcel))

    def gust(self, now: float) -> None:
        """Once every 20 ms, when what had arrived was taken: perhaps the line is held from here."""
        if not self._held(now) and self._chance.random() < self._weather.burst_share:
            self.hold(now, self._chance.uniform(0, self._weather.longest_hold_s))

    def arrived(self, now: float) -> list[Parcel]:
        """What has come through since the last time, in order."""
        came: list[Parcel] = []
        if not self._held(now) and not self.stalled(now):
            while self._on_its_way and self._on_its_way[0][0] <= now:
                came.append(self._on_its_way.popleft()[1])
        return came

    def rest(self) -> list[Parcel]:
        """What has not come through yet: the line is about to end."""
        left = [parcel for _, parcel in self._on_its_way]
        self._on_its_way.clear()
        return left

    def _held(self, now: float) -> bool:
        return _within(self._holds, now)


def _between(first_media_at: float, at_s: float, for_s: float) -> tuple[float, float]:
    return first_media_at + at_s, first_media_at + at_s + for_s


def _to_come(spells: list[tuple[float, float]], now: float) -> list[tuple[float, float]]:
    return [spell for spell in spells if spell[1] > now]


def _within(spells: list[tuple[float, float]], now: float) -> bool:
    return any(begins <= now < ends for begins, ends in spells)
