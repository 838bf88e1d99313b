#!/usr/bin/env bash
# pydantic-settings 2.16.3: with extra="forbid" a misspelt variable is refused in a dotenv file and ignored in the
# environment.
#
# The same line, `APP_TIMOUT=3` for a setting `timeout` under the prefix `APP_`, once in each place.
#
# Seen:
#   environment: timeout=10
#   dotenv file: Extra inputs are not permitted (app_timout)
#
# Why it surprises: "forbid" is chosen to catch exactly this. It passes every test on a developer's machine, where
# settings stand in a dotenv file, and does nothing in a container, where they are variables: the default is in force
# and nobody is told.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic-settings==2.16.3

cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_", env_file="app.env", extra="forbid")
    timeout: int = 10


os.environ["APP_TIMOUT"] = "3"
timeout = Settings().timeout
print(f"environment: timeout={timeout}")
del os.environ["APP_TIMOUT"]

Path("app.env").write_text("APP_TIMOUT=3\n")
refused = []
try:
    Settings()
except ValidationError as error:
    refused = [(each["msg"], each["loc"]) for each in error.errors()]
print(f"dotenv file: {refused}")
sys.exit(not (timeout == 10 and refused))
PYTHON
