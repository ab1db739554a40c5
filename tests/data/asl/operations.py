"""Prints what botocore's models say of operations, as JSON: operations.py <service>:<operation>…

Each operation with its parameters and errors; null for one that botocore does not know. Botocore is
on PYTHONPATH.
"""

import json
import sys

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationNotFoundError, ServiceModel


def describe(shape, above=()):
    """A shape inside of itself ends there: it may be anything."""
    if shape.name in above:
        return {"type": "any"}
    above = (*above, shape.name)
    if shape.type_name == "structure":
        members = {name: describe(member, above) for name, member in shape.members.items()}
        return {"type": "structure", "members": members, "required": shape.required_members}
    if shape.type_name == "list":
        return {"type": "list", "member": describe(shape.member, above)}
    scalars = {"string": "string", "integer": "integer", "long": "integer", "boolean": "boolean"}
    described = {"type": scalars.get(shape.type_name, "any")}
    if getattr(shape, "enum", None):
        described["enum"] = shape.enum
    return described


def operation(service, name):
    loader = Loader()
    try:
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        found = model.operation_model(name)
    except (UnknownServiceError, OperationNotFoundError):
        return None
    parameters = describe(found.input_shape) if found.input_shape else {"type": "structure", "members": {}}
    errors = [error.metadata.get("error", {}).get("code", error.name) for error in found.error_shapes]
    return {"parameters": parameters, "errors": errors}


print(json.dumps({word: operation(*word.split(":")) for word in sys.argv[1:]}))
