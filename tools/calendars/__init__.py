"""Calendars that are kept elsewhere, behind one interface.

    remote      what every such calendar is asked and may answer; ``Remote`` is the interface
    opening     ``open_remote``: from a practice's ``calendar`` to its ``Remote``
    schedules   ``Schedules.of(practice)``: the built-in calendar or the practice's own
    outside     ``Outside``: a ``Schedule`` over a ``Remote``, the local mirror and the ledger;
                ``trying``, ``asking``, ``endings``, ``mirror``, ``fitting`` are its parts
    settling    what became of what nobody answered; ``became`` is what a settler is told
    caldav      any CalDAV server: ``objects`` are what it keeps, ``dav`` speaks it, ``ics`` reads
                and writes events, ``recurring`` knows when they repeat
    calcom      Cal.com
    nexhealth   NexHealth; both ask by ``http``

A practice's file names one of them. Providers and services are called by their ``id`` in the same
file, a secret by the variable of the worker's environment that holds it::

    [calendar]
    kind = "caldav"                       # iCloud, Fastmail, Nextcloud, Radicale, …
    url = "https://cal.example/dav/hillside/"
    calendars = { torres = "torres/", okafor = "okafor/" }    # each has one of their own
    username = "hillside"                 # without both it is asked without a password
    password_env = "HILLSIDE_CALDAV"

    [calendar]
    kind = "calcom"
    key_env = "HILLSIDE_CALCOM"
    event_types.cleaning = { torres = 1011, okafor = 1012 }   # one for each who does it

    [calendar]
    kind = "nexhealth"
    key_env = "HILLSIDE_NEXHEALTH"
    subdomain = "hillside"
    location_id = 7
    providers = { torres = 83, okafor = 84 }
    appointment_types = { cleaning = 512 }                    # where they are used
"""
