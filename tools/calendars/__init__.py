"""Calendars that are kept elsewhere, behind one interface.

remote      what every such calendar is asked and may answer; ``Remote`` is the interface
opening     ``open_remote``: from a practice's ``calendar`` to its ``Remote``
outside     ``Outside``: a ``Schedule`` over a ``Remote``, the local mirror and the ledger
mirror      the rows of appointments, cells and patients that ``Outside`` keeps
schedules   ``Schedules.of(practice)``: the built-in calendar or the practice's own
caldav      any CalDAV server: ``dav`` speaks it, ``ics`` reads and writes its events
calcom      Cal.com; ``calcom_messages``: what it answers
nexhealth   NexHealth; ``nexhealth_api``: its token, ``_patients``, ``_messages``
http        how both are asked: in bounds, in time, and sure of what may have happened
"""
