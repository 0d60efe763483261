"""Calendars that are kept elsewhere, behind one interface.

remote      what every such calendar is asked and may answer; ``Remote`` is the interface
opening     ``open_remote``: from a practice's ``calendar`` to its ``Remote``
schedules   ``Schedules.of(practice)``: the built-in calendar or the practice's own
outside     ``Outside``: a ``Schedule`` over a ``Remote``, the local mirror and the ledger;
            ``trying``, ``asking``, ``endings``, ``mirror``, ``fitting`` are its parts
settling    what became of what nobody answered; ``became`` is what a settler is told
caldav      any CalDAV server: ``dav`` speaks it, ``ics`` reads and writes its events
calcom      Cal.com
nexhealth   NexHealth; both ask by ``http``
"""
