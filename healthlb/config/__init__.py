"""Floor 2: the file. Reads YAML into the model, or tells every fault at once with its place."""

from healthlb.config.addition import TakenError, added
from healthlb.config.advice import advice
from healthlb.config.faults import ConfigError, Fault
from healthlb.config.json_schema import json_schema
from healthlb.config.loader import Loader, load

__all__ = ["ConfigError", "Fault", "Loader", "TakenError", "added", "advice", "json_schema", "load"]
