"""The sealer: one order for all leaves, whoever commits late, whoever else seals, wherever it is cut short."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_office import ADA, AuditOffice
