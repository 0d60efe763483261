"""The operator's side: the ``holdfast`` command, the admin API, the launcher. Top of the arrows.

* ``cli``: the ``holdfast`` command; every process and every operator's verb starts here.
* ``processes``, ``verbs``, ``calling``, ``load``, ``bench``: what the verbs do.
* ``app``, ``auth``, ``settings``, ``problems``: the admin process, who may use it, its errors.
* ``phrases``, ``queues``: one view each, with its response structs and its routes.
* ``launcher``, ``surroundings``, ``state``, ``readiness``: a run of everything on one machine.
* ``procfile``, ``children``, ``valkey``: its lines, its processes, its embedded server.
* ``dev``, ``demo``: until Ctrl-C; or one call and its proof.
* ``scenarios``, ``houses``, ``scenario_report``: scripted calls, what they are played by, their
  table. ``recognition``, ``evidence``, ``verdict``: what a call came to, and whether it should.
* ``narrative``, ``heard``, ``latencies``: a call told, what the caller heard, how long she waited.
"""
