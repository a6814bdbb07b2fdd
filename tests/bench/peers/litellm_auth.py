"""Which keys LiteLLM knows when it has no database: those that the drill wrote (litellm.yaml names this)."""

import os
import pathlib

from litellm.proxy._types import UserAPIKeyAuth

KEYS = {key for file in pathlib.Path(os.environ["DRILL_KEYS"]).glob("*.txt") for key in file.read_text().split()}


async def check(request, api_key):
    if api_key not in KEYS:
        raise ValueError("unknown key")
    return UserAPIKeyAuth(api_key=api_key)
