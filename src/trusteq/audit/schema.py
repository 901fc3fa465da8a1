"""What does an audit hold? The JSON schema of report.json, as a dict; also written beside it."""

import json
from typing import Any

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.resources import text

SCHEMA: dict[str, Any] = json.loads(text("audit/report.schema.json"))
SCHEMA["$defs"]["dimension"]["enum"] = list(DIMENSIONS)
SCHEMA_NAME = SCHEMA["properties"]["schema"]["const"]
