"""Calls under fire: what is promised of bookings and calls, proved while everything breaks.

* ``line``: a line to Redis that can be cut, frozen and mended.
* ``server``: a Valkey that is killed and comes back with what it had written.
* ``weather``: when which of these happens, and whose worker dies.
* ``worker``: the real worker, whose tools are slow, fail, and die in the middle.
* ``people``: callers who book, change their minds, interrupt and hang up; no audio.
* ``truth``: what they were told against what is so.
* ``bookings``: ``holdfast chaos bookings``, one run of all of it.
"""
