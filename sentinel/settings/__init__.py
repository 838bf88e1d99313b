"""The daemon's settings: `config/sentinel.yaml`, overridden by `SENTINEL_*` variables.

Nested keys are joined by two underscores: `prometheus.url` is `SENTINEL_PROMETHEUS__URL`. Lists are comma-separated
or JSON, mappings are JSON. A variable that is empty counts as not set. A misspelt key or variable is refused by
name. Every secret can be given as a file instead (`token_file`, `SENTINEL_SLACK__TOKEN_FILE`), as Kubernetes mounts
it.
"""

from sentinel.settings.load import load_channels, load_gates, load_settings, load_sources
from sentinel.settings.whole import Settings

__all__ = ["Settings", "load_channels", "load_gates", "load_settings", "load_sources"]
