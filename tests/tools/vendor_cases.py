"""What the tests of vendors' calendars book: one practice, two people, one service."""

from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from tools.calendars.remote import RemoteBooking
from tools.practices import Practice, Provider, Service

ZONE = ZoneInfo("America/New_York")
PRACTICE = Practice(
    id="hillside",
    name="Hillside Dental",
    zone=ZONE,
    lead=timedelta(hours=1),
    horizon_days=60,
)
CLEANING = Service(
    id="hillside:cleaning", name="Cleaning", also_called=(), lasts=timedelta(minutes=30)
)
SHAH = Provider(id="hillside:shah", name="Dr. Shah")
REYES = Provider(id="hillside:reyes", name="Dr. Reyes")
STRANGER = Provider(id="hillside:new", name="Dr. New")
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
TUESDAY = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
PHONE = "+12025550143"

_keys = count(1)


def booking(
    start: datetime = TUESDAY,
    *,
    provider: Provider = SHAH,
    name: str = "Maria Lopez",
    key: str = "",
) -> RemoteBooking:
    return RemoteBooking(
        key=key or f"{next(_keys):032x}",
        patient_name=name,
        phone=PHONE,
        service=CLEANING,
        provider=provider,
        start=start,
        end=start + CLEANING.lasts,
        zone=ZONE,
    )


def at(hour: int, minute: int = 0) -> datetime:
    """An instant of that Tuesday, UTC."""
    return TUESDAY.replace(hour=hour, minute=minute)
