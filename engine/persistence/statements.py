"""The engine's named SQL, loaded once."""

from pathlib import Path

from storage.sql import Queries

QUERIES = Queries(Path(__file__).with_name("queries.sql"))
JOB_CHANNEL = "ami_job"
EVENT_CHANNEL = "ami_event"
TIMER_CHANNEL = "ami_timer"
