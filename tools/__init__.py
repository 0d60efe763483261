"""What the agent can have done: the floor of the house, which imports no sibling.

* ``contract``, ``catalog``: what both sides of the queue sign, and every tool on one page.
* ``queue``: jobs to the workers and outcomes back; the only file that says ``arq`` to the bridge.
* ``booking``, ``lookup``: the bodies of the tools.
* ``database``, ``calendar``, ``migrations``: what must last.
* ``retries``, ``errors``, ``logs``, ``settings``: shared ways of failing, retrying, logging.
"""
