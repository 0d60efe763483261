"""Which addresses and keys may be used for what leaves this machine over HTTP."""

from ipaddress import ip_address

import httpx


def check_url(url: str) -> None:
    """Whether an endpoint may be there: what a caller said travels in the open on loopback only.

    Raises:
        ValueError: it may not.
    """
    if not url:
        return
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("expected https://…") from None
    if parts.scheme not in ("https", "http") or not parts.host:
        raise ValueError("expected https://…")
    if parts.scheme == "http" and not _is_loopback(parts.host):
        raise ValueError("http:// is for loopback addresses only")


def check_key(key: str) -> None:
    """Whether a key can be sent.

    Raises:
        ValueError: not in a header.
    """
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("expected letters, figures and signs without a space")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
