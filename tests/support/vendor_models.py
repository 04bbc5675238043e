"""The models of the banks' own libraries: an object that fits none of them raises."""

import json
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel


def plaid_model(name: str, value: dict[str, object]) -> Any:  # Any: the library has no types
    """A value as Plaid's library takes it from the wire, every type checked."""
    plaid: Any = import_module("plaid")  # Any: as above
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    model = getattr(import_module(f"plaid.model.{words}"), name)
    client = plaid.ApiClient(plaid.Configuration(host="https://plaid.test"))
    return client.deserialize(SimpleNamespace(data=json.dumps(value)), (model,), True)


def increase_model(name: str, value: object) -> BaseModel:
    """A value as Increase's library takes it from the wire, held against the model."""
    model: type[BaseModel] = getattr(import_module("increase.types"), name)
    return model.model_validate(value)
