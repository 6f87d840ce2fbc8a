"""Many fits as independent jobs, each in a process of its own: several at once, or in parts on a cluster.

``job`` says what a job is, ``parts`` which jobs a command trains, ``claims`` lets commands share the jobs,
``training`` trains one after the other, or with ``pool`` several at once on ``cores`` of their own,
``observer`` and ``live_line`` show them, and ``launchers`` refuses launchers that would start the whole
command several times.
"""
