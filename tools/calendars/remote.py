"""A calendar that is kept elsewhere: what it is asked, what it may answer.

One ``Remote`` is one practice's calendar at one vendor. It keeps nothing of its own that must last:
the local mirror and the ledger are ``outside``'s. It is given its HTTP client and never closes it.

Every method raises

- ``Unavailable`` when it is certain that nothing was done: never connected, refused (401, 403, 429,
  a redirect), or anything at all that goes wrong with a question;
- ``Unsure`` (only ``create``, ``move`` and ``cancel``) when the request may have been acted upon:
  its answer was lost, late, unreadable, or a 5xx.

``reason`` begins with the kind and is written for the operator: ``caldav: status 401``. It never
holds a name, a number, or what the other side said. Every answer is bounded in size and read with
suspicion: whatever it holds, no other exception comes out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from tools.openings import Span
from tools.practices import Provider, Service
from tools.schedule import Grade, Taken

RemoteStatus = Literal["booked", "requested", "cancelled", "refused"]


class RemoteTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What it knows of one provider's time in a window."""

    busy: tuple[Span, ...] = ()
    """When the provider cannot be come to; may overlap, in any order."""
    starts: tuple[datetime, ...] | None = None
    """Where it says itself at which instants the service could start: these and no other. None:
    wherever the provider is not busy."""


class RemoteBooking(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment as it shall stand there."""

    key: str
    """Ours: 32 letters and figures, a new one for every appointment and for every move of it. It
    is written where it can be found again, and never used twice."""
    patient_name: str
    phone: str
    """E.164."""
    service: Service
    provider: Provider
    start: datetime
    """An instant, UTC."""
    end: datetime
    zone: ZoneInfo
    """The practice's."""


class RemoteMade(msgspec.Struct, frozen=True, kw_only=True):
    """An appointment as it stands there."""

    external_ref: str
    """The other side's own name for it, at most 200 characters; what ``read``, ``move`` and
    ``cancel`` take."""
    status: RemoteStatus = "booked"
    """``requested``: it took the request and has not confirmed it; ``refused``: it would not."""
    start: datetime
    """An instant, UTC."""
    end: datetime
    key: str = ""
    """Ours, where it was found; empty for what others made."""
    provider_id: str = ""
    """``Provider.id``; empty where it cannot be told."""
    service_id: str = ""
    """``Service.id``; empty where it cannot be told."""
    patient_name: str = ""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """There is no such appointment there (any more); nothing was changed."""


class Remote(Protocol):
    """One practice's calendar elsewhere."""

    kind: str
    """``caldav``, ``calcom``, ``nexhealth``: for logs and the operator."""
    grade: Grade
    """``KEY``: ``create`` and ``move`` may be repeated with the same key; ``LOOKUP``: ``look_up``
    finds by key what was made; ``NEITHER``."""

    async def times(
        self, service: Service, providers: Sequence[Provider], *, start: datetime, end: datetime
    ) -> Mapping[str, RemoteTimes]:
        """``Provider.id`` → what is known of their time from ``start`` up to ``end``.

        A provider who is not in the answer is not kept there: nothing is free with them.
        """
        ...

    async def create(self, booking: RemoteBooking) -> RemoteMade | Taken:
        """Make it; ``booked`` or ``requested``. One request, never repeated in here."""
        ...

    async def look_up(self, booking: RemoteBooking, *, external_ref: str = "") -> RemoteMade | None:
        """What became of a ``create``, or (with the appointment's ``external_ref``) of a ``move``.

        None: it is not there now; a request that is still under way may yet land.
        """
        ...

    async def read(self, external_ref: str) -> RemoteMade | None:
        """One appointment as it stands; None: there is none of that name."""
        ...

    async def find(
        self, phone: str, *, known: Sequence[str], since: datetime
    ) -> Sequence[RemoteMade]:
        """The appointments of a number that end after ``since``, whoever made them.

        ``known`` are the ``external_ref`` we have under it: whoever cannot search by number reads
        these. Cancelled ones may be among the answer or missing.
        """
        ...

    async def move(self, external_ref: str, to: RemoteBooking) -> RemoteMade | Taken | Gone:
        """Move it to another time or provider; the old time stays until the new one is certain.

        The answer's ``external_ref`` may be a new one.
        """
        ...

    async def cancel(self, external_ref: str) -> None:
        """Cancel it; as well if it was cancelled already or is not there."""
        ...

    async def health(self) -> None:
        """Ask something that changes nothing, with our credentials.

        Raises:
            Unavailable: it is not usable as it is set up; ``reason`` says why.
        """
        ...
