"""What the agent can have done: the floor of the house, which imports no sibling.

* ``contract``, ``catalog``, ``arguments``, ``meaning``: what both sides of the queue sign, every
  tool on one page, what it may be asked, and what makes two requests the same.
* ``queue``, ``claims``, ``late``, ``dead``: jobs to the workers and outcomes back.
* ``booking``, ``changes``, ``lookup``, ``insured``, ``messages``, ``notes``, ``info``: the bodies.
* ``schedule``: a calendar as the bodies see it. ``calendar`` is the built-in one, over
  ``freetimes``, ``holds`` and ``appointments``; ``calendars`` are those kept elsewhere.
* ``ledger``, ``entries``: every effect that was wanted, and what became of it; ``settle`` finds
  out, ``telling`` and ``outbox`` tell.
* ``database``, ``tables``, ``migrations``, ``practices``: what must last.
* ``retries``, ``errors``, ``logs``: shared ways of trying again, failing, logging.
"""
