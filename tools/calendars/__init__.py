"""Calendars that are kept elsewhere, behind one interface.

remote      what every such calendar is asked and may answer; ``Remote`` is the interface
opening     ``open_remote``: from a practice's ``calendar`` to its ``Remote``
outside     ``Outside``: a ``Schedule`` over a ``Remote``, the local mirror and the ledger
mirror      the rows of appointments, cells and patients that ``Outside`` keeps
schedules   ``Schedules.of(practice)``: the built-in calendar or the practice's own
caldav      any CalDAV server: ``dav`` speaks it, ``ics`` reads and writes its events
calcom      Cal.com
nexhealth   NexHealth
"""
