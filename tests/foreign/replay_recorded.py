#!/usr/bin/env python3
"""Holds our interpreter against recordings of AWS that are not ours: LocalStack's tests of Step
Functions carry what AWS answered, and run here against the sandbox's Step Functions alone.

    git clone --depth 1 --branch v2026.3.0 https://github.com/localstack/localstack
    tests/foreign/replay_recorded.py localstack              # all
    tests/foreign/replay_recorded.py localstack -k retry     # as pytest takes it
    tests/foreign/replay_recorded.py localstack --details    # and what differs, line by line

The tests and recordings (Apache-2.0) are read from that checkout and stay there. It needs what
run_with_localstack.py needs, and four packages more from PyPI. Not in CI.

A machine in JSONPath whose fields have an equal in JSONata (a path of names, a constant) is replayed
in JSONata and counted apart, "by analogy": AWS was not asked that, and words may differ rightly.

A scenario is
  outside        of what the sandbox claims: other JSONPath, Express, a distributed Map, activities,
                 services that our runbooks do not call, recordings that need another service;
  equal          in every answer and every event of its history;
  different      in details of an answer or of an event;
  ends otherwise where a status, the last event, or what is refused and by which code differs.

Functions are run here, as Python. What LocalStack skips for itself, or leaves out of a comparison,
is replayed and compared. The script fails when something ends otherwise.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
PACKAGES = ["pytest==8.4.2", "json5==0.12.1", "localstack-snapshot==0.3.0", "jsonpath-ng==1.7.0"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "444455556666", "eu-west-1"
TESTS = "tests/aws/services/stepfunctions/v2"
# A time-out of one second is 200 ms here.
SPEED = "5"
TASKS = {
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::ecs:runTask.waitForTaskToken",
    "arn:aws:states:::states:startExecution.sync:2",
    "arn:aws:states:::events:putEvents",
}


def main():
    import run_with_localstack as neighbour

    arguments = [argument for argument in sys.argv[1:] if argument != "--details"]
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    checkout = pathlib.Path(arguments[0]).resolve()
    if not (checkout / TESTS).is_dir():
        sys.exit(f"{checkout} has no {TESTS}")
    python = neighbour.install()
    extras = python.parent.parent / "replay"
    if not (extras / "installed").exists():
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "--target", extras, *PACKAGES], check=True)
        (extras / "installed").touch()
    subprocess.run(["cargo", "build", "--workspace", "--example", "interpreter"], cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    port, functions = neighbour.free_port(), neighbour.free_port()
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder) / "results"
        results.touch()
        interpreter = subprocess.Popen(
            [target / "debug/examples/interpreter", str(port), str(functions), SPEED]
        )
        try:
            subprocess.run(
                [python, "-m", "pytest", "-q", "--no-header", "--no-summary", "--show-capture=no"]
                + ["-p", "replay_recorded", "-p", "no:cacheprovider", "--noconftest", "--tb=no"]
                + ["--continue-on-collection-errors"]
                + ["--rootdir", ".", TESTS, *arguments[1:]],
                cwd=checkout,
                env=os.environ
                | {
                    "PYTHONPATH": os.pathsep.join([str(extras), str(ROOT / "tests/foreign"), "."]),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "REPLAY": json.dumps([port, functions, str(results)]),
                },
                stdout=subprocess.DEVNULL,
            )
        finally:
            interpreter.kill()
        report([json.loads(line) for line in results.read_text().splitlines()])


def report(scenarios):
    verdicts = collections.defaultdict(list)
    analogies = collections.Counter()
    for scenario in scenarios:
        if scenario["analogy"] and scenario["verdict"] != "outside":
            analogies[scenario["verdict"]] += 1
            if "--details" in sys.argv and scenario["verdict"] != "equal":
                print(f"\nby analogy, {scenario['verdict']}: {scenario['name']}", end="\n    ")
                print(*scenario["why"].splitlines(), sep="\n    ")
        else:
            verdicts[scenario["verdict"]].append(scenario)
    reasons = collections.Counter(scenario["why"] for scenario in verdicts["outside"])
    for why, number in reasons.most_common():
        print(f"outside {number:4}: {why}")
    for verdict in ["different", "ends otherwise"]:
        for scenario in verdicts[verdict]:
            lines = scenario["why"].splitlines() or [""]
            shown = lines if "--details" in sys.argv or verdict == "ends otherwise" else lines[:1]
            print(f"\n{verdict}: {scenario['name']}", *shown, sep="\n    ")
    inside = sum(len(found) for verdict, found in verdicts.items() if verdict != "outside")
    numbers = [f"{len(verdicts[verdict])} {verdict}" for verdict in ["equal", "different", "ends otherwise"]]
    print(f"\n{len(scenarios)} scenarios, {inside} in what is claimed: {', '.join(numbers)}")
    numbers = [f"{analogies[verdict]} {verdict}" for verdict in ["equal", "different", "ends otherwise"]]
    print(f"{analogies.total()} more by analogy: {', '.join(numbers)}")
    if not inside:
        sys.exit("nothing was replayed")
    sys.exit(1 if verdicts["ends otherwise"] else 0)


# From here on: what pytest loads.


def outside(definition, kind=None):
    """Why the sandbox does not claim to run it."""
    if kind == "EXPRESS":
        return "Express"
    try:
        machine = json.loads(definition)
    except ValueError:
        return None
    if not isinstance(machine, dict):
        return None
    if machine.get("QueryLanguage") != "JSONata":
        return "another query language than JSONata"
    for state in every_state(machine):
        if state.get("QueryLanguage", "JSONata") != "JSONata":
            return "a state in another query language"
        if "Credentials" in state:
            return "Credentials"
        resource = state.get("Resource")
        if state.get("Type") == "Task" and isinstance(resource, str) and resource not in TASKS:
            return "a task of another service or pattern"
        mode = (state.get("ItemProcessor") or {}).get("ProcessorConfig", {}).get("Mode")
        if mode == "DISTRIBUTED" or "ItemReader" in state or "ResultWriter" in state:
            return "a distributed Map"
        if "Iterator" in state:
            return "a Map with an Iterator"
    return None


class NoEqual(Exception):
    """What JSONata has no equal field for."""


def in_jsonata(definition):
    """The same machine in JSONata; none when there is no such."""
    try:
        machine = json.loads(definition)
        if not isinstance(machine, dict) or machine.pop("QueryLanguage", "JSONPath") != "JSONPath":
            return None
        indent = 4 if "\n" in definition else None
        return json.dumps({"QueryLanguage": "JSONata", **flow(machine)}, indent=indent)
    except (ValueError, NoEqual):
        return None


def flow(value):
    states = value.get("States")
    if not isinstance(states, dict) or not all(isinstance(state, dict) for state in states.values()):
        return value
    return {**value, "States": {name: state_in_jsonata(state) for name, state in states.items()}}


def expression(path):
    if not isinstance(path, str) or not re.fullmatch(r"\$\$?(\.[A-Za-z_]\w*)*", path):
        raise NoEqual(path)
    source = "$states.context" if path.startswith("$$") else "$states.input"
    return "{% " + source + path.lstrip("$") + " %}"


def template(value):
    """Paths in a payload template."""
    if isinstance(value, dict):
        return {
            name.removesuffix(".$"): expression(inner) if name.endswith(".$") else template(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [template(inner) for inner in value]
    if isinstance(value, str) and value.startswith("{%"):
        raise NoEqual(value)
    return value


def state_in_jsonata(state):
    kind, found = state.get("Type"), {}
    for name, value in state.items():
        if isinstance(value, str) and value.startswith("{%"):
            raise NoEqual(value)
        if name in ("InputPath", "OutputPath", "ResultPath", "ResultSelector", "QueryLanguage", "Iterator"):
            raise NoEqual(name)
        if name == "Choices" or (name == "Catch" and any("ResultPath" in catcher for catcher in value)):
            raise NoEqual(name)
        if name == "Result" and kind == "Pass":
            found["Output"] = template(value)
        elif name == "Parameters" and kind in ("Pass", "Task", "Parallel"):
            found["Output" if kind == "Pass" else "Arguments"] = template(value)
        elif name in ("ItemsPath", "SecondsPath", "TimestampPath", "TimeoutSecondsPath"):
            found[name.removesuffix("Path")] = expression(value)
        elif name in ("HeartbeatSecondsPath", "ErrorPath", "CausePath", "MaxConcurrencyPath"):
            found[name.removesuffix("Path")] = expression(value)
        elif name in ("ItemSelector", "Assign"):
            found[name] = template(value)
        elif name == "ItemProcessor" and isinstance(value, dict):
            found[name] = flow(value)
        elif name == "Branches" and isinstance(value, list):
            found[name] = [flow(branch) for branch in value]
        else:
            found[name] = value
    return found


def every_state(value):
    if isinstance(value, dict):
        if "Type" in value:
            yield value
        for inner in value.values():
            yield from every_state(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from every_state(inner)


class Functions:
    """Runs the functions that a test deploys, for the interpreter."""

    def __init__(self, port):
        import http.server
        import threading

        self.files = {}
        functions = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = functions.invoke(self.path, body)
                self.send_response_only(status)
                self.end_headers()
                # Lambda's runtime writes its errors without spaces.
                separators = (",", ":") if status == 299 else None
                self.wfile.write(json.dumps(answer, separators=separators).encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def invoke(self, path, body):
        import traceback
        import types
        import urllib.parse
        import uuid

        name = urllib.parse.unquote(path).split("/functions/")[1].split("/")[0].split(":function:")[-1]
        name = name.split(":")[0]
        if name not in self.files:
            message = f"Function not found: arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
            return 404, {"Type": "User", "Message": message}
        source, request = self.files[name], str(uuid.uuid4())
        context = types.SimpleNamespace(aws_request_id=request, function_name=name)
        space = {"__name__": "handler"}
        try:
            exec(compile(source, "/var/task/handler.py", "exec"), space)
            return 200, space["handler"](json.loads(body or b"{}"), context)
        except Exception as error:
            # As Lambda's runtime for Python tells it.
            lines = source.splitlines()
            trace = [
                f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n'
                f"    {lines[frame.lineno - 1].strip()}\n"
                for frame in traceback.extract_tb(error.__traceback__)[1:]
                if frame.filename == "/var/task/handler.py"
            ]
            kind, message = type(error).__name__, str(error)
            names = ["errorMessage", "errorType", "requestId", "stackTrace"]
            return 299, dict(zip(names, [message, kind, request, trace]))


class Client:
    """boto3's client, which leaves out what the sandbox does not claim."""

    def __init__(self, inner):
        self.inner = inner
        self.originals = {}

    def __getattr__(self, name):
        import pytest

        call = getattr(self.inner, name)
        if "activity" in name or name in ("start_sync_execution", "list_map_runs"):
            pytest.skip(f"the action {name}")

        def checked(*arguments, **fields):
            if name in ("create_state_machine", "update_state_machine", "validate_state_machine_definition"):
                analogous = in_jsonata(fields["definition"]) if "definition" in fields else None
                if analogous is not None:
                    self.originals[analogous] = fields["definition"]
                    fields["definition"] = analogous
                definition = fields.get("definition", '{"QueryLanguage": "JSONata"}')
                why = outside(definition, fields.get("type"))
                if why:
                    pytest.skip(why)
                if "loggingConfiguration" in fields or "tracingConfiguration" in fields:
                    pytest.skip("logging and tracing")
                if name.startswith("validate"):
                    pytest.skip(f"the action {name}")
            if name == "test_state":
                machine = json.loads(fields["definition"])
                if "States" not in machine:
                    language = machine.get("QueryLanguage")
                    machine = {"QueryLanguage": language, "States": {"StateName": machine}}
                why = outside(json.dumps(machine))
                if why:
                    pytest.skip(why)
            answer = call(*arguments, **fields)
            if isinstance(answer, dict) and answer.get("definition") in self.originals:
                answer["definition"] = self.originals[answer["definition"]]
            return answer

        return checked if callable(call) else call


class Clients:
    def __init__(self, stepfunctions):
        self.stepfunctions = Client(stepfunctions)

    def __getattr__(self, name):
        import pytest

        pytest.skip(f"a client of {name.rstrip('_')}")


if "REPLAY" in os.environ:
    import boto3
    import botocore.config
    import pytest
    from localstack.testing.pytest.stepfunctions.fixtures import sfn_snapshot  # noqa: F401
    from localstack.testing.snapshots.transformer_utility import (
        SNAPSHOT_BASIC_TRANSFORMER,
        TransformerUtility,
    )
    from localstack_snapshot.snapshots import SnapshotAssertionError, SnapshotSession
    from localstack_snapshot.snapshots.transformer import RegexTransformer

    PORT, FUNCTIONS_PORT, RESULTS = json.loads(os.environ["REPLAY"])
    FUNCTIONS = Functions(FUNCTIONS_PORT)

    def pytest_configure(config):
        for name in ["aws", "snapshot", "skip_snapshot_verify", "skip_offline"]:
            config.addinivalue_line("markers", name)

    def stepfunctions(**settings):
        return boto3.client(
            "stepfunctions",
            endpoint_url=f"http://127.0.0.1:{PORT}",
            region_name=REGION,
            aws_access_key_id="owner",
            aws_secret_access_key="any",
            config=botocore.config.Config(inject_host_prefix=False, **settings),
        )

    @pytest.fixture
    def aws_client():
        return Clients(stepfunctions())

    @pytest.fixture
    def aws_client_no_sync_prefix():
        return Clients(stepfunctions())

    @pytest.fixture
    def aws_client_no_retry():
        return Clients(stepfunctions(retries={"total_max_attempts": 1}))

    @pytest.fixture
    def region_name():
        return REGION

    @pytest.fixture
    def account_id():
        return ACCOUNT

    @pytest.fixture
    def partition():
        return "aws"

    @pytest.fixture
    def cleanups():
        return []

    @pytest.fixture
    def create_state_machine_iam_role():
        return lambda target_aws_client=None: f"arn:aws:iam::{ACCOUNT}:role/replayed"

    @pytest.fixture
    def create_state_machine():
        return lambda target_aws_client, **fields: (
            target_aws_client.stepfunctions.create_state_machine(**fields)
        )

    @pytest.fixture
    def create_state_machine_alias():
        return lambda target_aws_client, **fields: (
            target_aws_client.stepfunctions.create_state_machine_alias(**fields)
        )

    @pytest.fixture
    def create_lambda_function():
        def create(func_name, handler_file=None, **_):
            FUNCTIONS.files[func_name] = pathlib.Path(handler_file).read_text()
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{func_name}"
            return {"CreateFunctionResponse": {"FunctionArn": arn, "FunctionName": func_name}}

        return create

    @pytest.fixture
    def snapshot(request):
        path = request.node.path
        session = SnapshotSession(
            base_file_path=str(path.parent / path.stem), scope_key=request.node.nodeid, verify=True
        )
        session.transform = TransformerUtility
        session.add_transformer(RegexTransformer(ACCOUNT, "1" * 12), priority=2)
        session.add_transformer(RegexTransformer(REGION, "<region>"), priority=2)
        session.add_transformer(RegexTransformer("arn:aws:", "arn:<partition>:"), priority=2)
        session.add_transformer(SNAPSHOT_BASIC_TRANSFORMER, priority=2)
        return session

    def ending(answer):
        """By which two answers end alike."""
        if not isinstance(answer, dict):
            return None
        if answer.get("events"):
            return answer["events"][-1]["type"]
        error = answer.get("Error", {}).get("Code") if isinstance(answer.get("Error"), dict) else None
        refused = answer.get("exception_typename") or error
        return refused or answer.get("status")

    def compare(session):
        try:
            session._assert_all(True, [])
        except SnapshotAssertionError as difference:
            lines, otherwise = [], False
            for result in difference.result:
                if result:
                    continue
                recorded, here = ending(result.a), ending(result.b)
                if recorded != here:
                    otherwise = True
                    lines.append(f"{result.key}: AWS {recorded}, here {here}")
                lines.extend(f"{result.key}: {line}" for line in repr(result).splitlines())
            return "ends otherwise" if otherwise else "different", "\n".join(lines)
        return "equal", ""

    def note(name, verdict, why, analogy=False):
        with open(RESULTS, "a", encoding="utf-8") as results:
            scenario = {"name": name.removeprefix(TESTS + "/"), "verdict": verdict}
            results.write(json.dumps(scenario | {"why": why, "analogy": analogy}) + "\n")

    def pytest_collection_modifyitems(items):
        """What LocalStack skips for itself was recorded all the same."""
        for item in items:
            for node in item.listchain():
                node.own_markers = [mark for mark in node.own_markers if mark.name not in ("skip", "skipif")]

    def pytest_collectreport(report):
        if report.failed:
            note(report.nodeid, "outside", "a file that does not load here")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        report = (yield).get_result()
        if report.when == "teardown" or (report.when == "setup" and report.passed):
            return
        if call.excinfo is None:
            session = item.funcargs.get("snapshot")
            recorded = session is not None and session.observed_state
            verdict, why = compare(session) if recorded else ("outside", "no recording")
        elif report.skipped:
            verdict, why = "outside", str(call.excinfo.value).removeprefix("Skipped: ")
        elif report.when == "setup":
            verdict, why = "outside", f"the fixture {getattr(call.excinfo.value, 'argname', '?')}"
        elif re.match("No state for .* recorded", str(call.excinfo.value)):
            verdict, why = "outside", "no recording"
        elif call.excinfo.typename in ("AttributeError", "TypeError"):
            verdict, why = "outside", "a test that does not run"
        else:
            verdict, why = "ends otherwise", f"{call.excinfo.typename}: {call.excinfo.value}"
        clients = [value for value in item.funcargs.values() if isinstance(value, Clients)]
        note(item.nodeid, verdict, why, any(client.stepfunctions.originals for client in clients))


if __name__ == "__main__":
    main()
