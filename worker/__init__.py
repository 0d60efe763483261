"""Runs tool jobs in processes of their own; imports the floor (``tools``) and nothing above it.

* ``parent`` starts ``process``es and frees what a dead one held; ``loop`` claims jobs in each.
* ``run`` runs a job, ``effects`` one that cannot be taken back; ``bodies`` says who does what.
* ``resources`` is what the bodies need, ``rounds`` what is looked after without a job.
"""
