"""Programs started as `python -m runners.jobs.NAME SPECIFICATION.json` by a `Compute`."""
