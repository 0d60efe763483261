"""The Procfile's processes as this command starts them, their refusals said in one sentence.

Each function imports its own package only, so that a worker starts without the bridge's code.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from admin.errors import OperatorError, SettingsRefused


def bridge(environ: Mapping[str, str]) -> int:
    """Serve calls; with ``ADMIN_IN_WEB`` the admin routes too, behind their tokens.

    Raises:
        SettingsRefused: a setting or a practice profile is wrong.
    """
    from bridge import app, settings
    from bridge.errors import BadConfiguration
    from tools.environment import BadSetting

    try:
        if not settings.load(environ).admin_in_web:
            app.main(environ)
            return 0
        from admin.app import create_admin
        from admin.settings import load

        admin = load(environ)
        router, lifespan = create_admin(admin.tokens, admin.redis_url)
        app.main(environ, extra_handlers=[router], extra_lifespans=[lifespan])
    except (BadConfiguration, BadSetting) as error:
        raise SettingsRefused(str(error)) from error
    return 0


def worker(environ: Mapping[str, str]) -> int:
    """Run tool jobs."""
    from worker import process

    return process.main(environ)


def migrate(environ: Mapping[str, str]) -> int:
    """Bring the database to the newest shape.

    Raises:
        SettingsRefused: ``DATABASE_URL`` names none that we know, or one that does not answer.
    """
    from tools import migrations
    from tools.errors import Unavailable

    try:
        migrations.upgrade(_database_url(environ))
    except ValueError as error:
        raise SettingsRefused(f"DATABASE_URL: {error}") from error
    except Unavailable as error:
        raise SettingsRefused(f"DATABASE_URL: does not answer ({error.reason})") from error
    print("the database is at its newest shape")
    return 0


def seed(environ: Mapping[str, str], file: Path | None = None) -> int:
    """Enter the practice of a file, or those of the demonstration.

    Raises:
        SettingsRefused: ``DATABASE_URL`` names none that we know.
        OperatorError: no such practice file, or the database is away or not migrated.
    """
    from tools import seed
    from tools.errors import Unavailable

    url = _database_url(environ)
    for path in [file] if file else seed.DEMOS:
        try:
            practice = asyncio.run(seed.seed(url, path))
        except (OSError, ValueError, Unavailable) as error:
            raise OperatorError(str(error)) from error
        print(f"{practice.name} ({practice.id}) is entered")
    return 0


def _database_url(environ: Mapping[str, str]) -> str:
    from tools.database import DEFAULT_URL, check_url

    url = environ.get("DATABASE_URL") or DEFAULT_URL
    try:
        check_url(url)
    except ValueError as error:
        raise SettingsRefused(f"DATABASE_URL: {error}") from error
    return url
