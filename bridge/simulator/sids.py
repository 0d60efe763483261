"""Twilio's names for things: two letters and 32 hex digits (F1)."""

import secrets

__all__ = ["new_sid"]


def new_sid(prefix: str) -> str:
    """A sid that no run has had before, seeded or not: jobs and bookings are keyed by them."""
    return f"{prefix}{secrets.token_hex(16)}"
