"""The operator's side: the ``holdfast`` command, the admin API, the launcher. Top of the arrows.

* ``cli``: the ``holdfast`` command; every process and every operator's verb starts here.
* ``app``, ``auth``, ``settings``: the admin process, who may use it, what it reads at start.
* ``phrases``, ``queues``: one view each, with its response structs and its routes.
* ``launcher``, ``children``, ``procfile``, ``valkey``: the Procfile run on one machine.
* ``demo``, ``narrative``: one spoken call from end to end, told as it happens.
"""
