"""The operator's side: the ``holdfast`` command, the admin API, the launcher. Top of the arrows."""
