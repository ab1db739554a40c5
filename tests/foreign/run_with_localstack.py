#!/usr/bin/env python3
"""Ends both runbooks with an interpreter that is not ours: LocalStack's Step Functions runs the ASL
files, and calls the functions and workers of the sandbox.

    tests/foreign/run_with_localstack.py             # major-upgrade, then daily-sync
    tests/foreign/run_with_localstack.py daily-sync  # one of them
    tests/foreign/run_with_localstack.py --compare   # and again with our own, to see what differs

It needs Rust as the README says, PyPI in reach, and Python 3.13 as `python3.13`: LocalStack 2026.3.0
does not run on 3.11. LocalStack (250 MB, the last release with an open licence) goes into a virtual
environment under ~/.cache/aurora-runbooks, once. No Docker, no account, nothing listens but on
127.0.0.1. Not in CI: too much to fetch for what seldom changes.

Each run must end SUCCEEDED, every state of its success must have been entered, and report-run must
make its report from this other service's history. Anything else ends the script with 1 and the words
of what failed. LocalStack's events do not reach the sandbox's bus (PutEvents refuses the sources of
AWS), so the script calls report-run as the rule would.

With --compare it also prints, by state and kind of event, which fields only one of the two
histories has, and of which type. A difference is no failure: AWS's own answer decides, see
docs/local-aws.md.

What is changed in LocalStack, each because without it neither runbook could run: see `serve`.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

VERSION = "2026.3.0"
# Java's JSONata, which LocalStack fetches from outside PyPI, in Python.
JSONATA = "jsonata-python==0.7.1"
# What its interpreter imports beyond the base of the runtime; the versions are those of its own lock.
EXTRAS = ["antlr4-python3-runtime", "jsonpath-ng", "moto-ext"]

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT, REGION, BUCKET = "444455556666", "eu-west-1", "aurora-runbooks-runs"
# Slower than the console's 60: Python evaluates an expression in tens of milliseconds.
SPEED = 30
RUNBOOKS = {
    "major-upgrade": (
        {"cluster": "orders", "target": "18"},
        "ResolveUpgrade InspectDatabases PrepareParameterGroups ApplyPendingMaintenance TakeSnapshot "
        "ModifyClusterVersion SyncParameterGroups RunAnalyze VerifyUpgrade",
    ),
    "daily-sync": (
        {"sync": "orders"},
        "SelectSnapshot CopySnapshot ShareSnapshot RestoreQuarantine SanitizeDatabases AttestSanitized "
        "SnapshotSanitized DeleteQuarantine RestoreTarget PrepareTarget SwapTarget RetireOld CleanUp",
    ),
}
LONGEST = 45 * 60


def fail(text):
    sys.exit(f"FAILED: {text}")


def install():
    """The Python of the virtual environment, made once."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "aurora-runbooks" / f"localstack-{VERSION}"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists():
        return python
    base = shutil.which("python3.13")
    if base is None or subprocess.run([base, "--version"], capture_output=True).returncode != 0:
        fail("python3.13 does not start: install Python 3.13, or put its folder on PATH")
    print(f"Fetching LocalStack {VERSION} from PyPI into {folder} (once)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([base, "-m", "venv", folder], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    source = folder / "source"
    # Newer versions of its dependencies break it, so its own lock files are used.
    download = ["download", "--no-deps", "--no-binary", "localstack-core", "--dest", source]
    subprocess.run([*pip, *download, f"localstack-core=={VERSION}"], check=True)
    archive = next(source.glob("*.tar.gz"))
    shutil.unpack_archive(archive, source, filter="data")
    unpacked = next(path for path in source.iterdir() if path.is_dir())
    subprocess.run([*pip, "install", "-r", unpacked / "requirements-base-runtime.txt"], check=True)
    subprocess.run([*pip, "install", "-c", unpacked / "requirements-runtime.txt", *EXTRAS], check=True)
    subprocess.run([*pip, "install", "--no-deps", archive, JSONATA], check=True)
    shutil.rmtree(source)
    done.touch()
    return python


def serve():
    """LocalStack's Step Functions, changed where it could not run what the sandbox has."""
    import datetime
    import types

    # JSONata: LocalStack's runs in a Java machine that is fetched from outside PyPI.
    jpype = types.ModuleType("jpype")
    jpype.imports = types.ModuleType("jpype.imports")
    sys.modules.update({"jpype": jpype, "jpype.imports": jpype.imports})
    sys.setrecursionlimit(20_000)

    # The account of every key that is no account's number, as those of the sandbox's callers are.
    import localstack.constants

    localstack.constants.DEFAULT_AWS_ACCOUNT_ID = ACCOUNT

    from jsonata.jsonata import Jsonata
    from localstack.aws.connect import ClientFactory
    from localstack.services.stepfunctions import provider
    from localstack.services.stepfunctions.asl.component.common.retry import retrier_decl
    from localstack.services.stepfunctions.asl.component.state import state
    from localstack.services.stepfunctions.asl.eval import states, variable_store
    from localstack.services.stepfunctions.asl.eval.callback.callback import CallbackEndpoint
    from localstack.services.stepfunctions.asl.eval.event import event_manager
    from localstack.services.stepfunctions.asl.jsonata import jsonata
    from localstack.services.stepfunctions.backend import execution

    def evaluate(expression):
        try:
            return json.loads(json.dumps(Jsonata(expression).evaluate(None)))
        except Exception as error:
            raise jsonata.JSONataException("UNKNOWN", str(error)) from error

    jsonata._eval_jsonata = evaluate

    # Strings were put into expressions as they are: a quote inside one broke the expression.
    def declarations(bindings):
        encoded = ((name, jsonata.to_json_str(value)) for name, value in bindings.items())
        return "".join(f"{name}:={value};" for name, value in encoded)

    states.encode_jsonata_variable_declarations = declarations
    variable_store.encode_jsonata_variable_declarations = declarations

    # The sandbox's clock, by which the runbooks count from State.EnteredTime. TimeoutSeconds and
    # HeartbeatSeconds stay in real seconds.
    anchor, speed = (float(part) for part in os.environ["RUNBOOK_CLOCK"].split("@"))
    anchor /= 1000

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(anchor + (time.time() - anchor) * speed, tz)

    scaled = types.SimpleNamespace(**{**vars(datetime), "datetime": Clock})
    for module in (state, event_manager, provider, execution):
        module.datetime = scaled
    retrier_decl.time = types.SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / speed))

    # It would assume the machine's role at every task; here it calls as itself.
    def as_itself(self, *, region_name=None, config=None, **_):
        keys = {"aws_access_key_id": "localstack", "aws_secret_access_key": "any"}
        return self(region_name=region_name, config=config, **keys)

    ClientFactory.with_assumed_role = as_itself

    # An answer or a heartbeat that came before it began to listen was lost.
    set_up = CallbackEndpoint.setup_heartbeat_endpoint

    def set_up_and_look(self, heartbeat_seconds):
        endpoint = set_up(self, heartbeat_seconds)
        if self._notify_event.is_set():
            endpoint.notify()
        return endpoint

    beat = CallbackEndpoint.notify_heartbeat
    CallbackEndpoint.setup_heartbeat_endpoint = set_up_and_look
    CallbackEndpoint.notify_heartbeat = lambda self: beat(self) or True

    from localstack.runtime.main import main

    main()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, seconds, process, log, ready):
    end = time.time() + seconds
    while time.time() < end:
        if ready():
            return
        if process.poll() is not None:
            fail(f"{what} ended with {process.returncode}:\n{log.read_text()[-4000:]}")
        time.sleep(0.5)
    fail(f"{what} is not ready after {seconds} s:\n{log.read_text()[-4000:]}")


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def run(runbook, folder, foreign=True):
    """One runbook, in a sandbox of its own, by a LocalStack of its own or by our interpreter."""
    folder.mkdir(parents=True)
    ours, theirs = free_port(), free_port()
    sandbox_url, states_url = f"http://127.0.0.1:{ours}", f"http://127.0.0.1:{theirs}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    clean["RUNBOOK_CLOCK"] = f"{int(time.time() * 1000)}@{SPEED}"
    localstack = {
        "GATEWAY_LISTEN": f"127.0.0.1:{theirs}",
        "LOCALSTACK_HOST": f"localhost:{theirs}",
        "SERVICES": "stepfunctions",
        "FILESYSTEM_ROOT": str(folder / "localstack"),
        # Its tasks call the sandbox.
        "DISTRIBUTED_MODE": "1",
        "AWS_ENDPOINT_URL": sandbox_url,
        # It runs on this host, asks nobody, and reports to nobody.
        "OVERRIDE_IN_DOCKER": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }
    processes = []

    def start(name, command, environment):
        log = folder / f"{name}.log"
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log.open("w"), stderr=subprocess.STDOUT,
            env={**clean, **environment}, cwd=ROOT, start_new_session=True,
        )
        processes.append(process)
        return process, log

    try:
        command = ["cargo", "sandbox", "up", "--world", runbook, "--port", str(ours)]
        if foreign:
            process, log = start("localstack", [sys.executable, __file__, "serve"], localstack)
            health = f"{states_url}/_localstack/health"
            wait_until("LocalStack", 120, process, log, lambda: answers(health))
            command += ["--stepfunctions", states_url]
        process, log = start("sandbox", command, {})
        wait_until("the sandbox", 1800, process, log, lambda: "Ctrl-C ends it" in log.read_text())
        name = f"LocalStack {VERSION}" if foreign else "our own interpreter"
        history = drive(runbook, name, sandbox_url, states_url if foreign else sandbox_url)
        (folder / "history.json").write_text(json.dumps(history, indent=1, default=str))
        return history
    finally:
        for process in reversed(processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        for process in processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def drive(runbook, interpreter, sandbox_url, states_url):
    """Runs it to its end, checks what came of it, and answers its history."""
    import boto3

    def client(service, url):
        keys = {"aws_access_key_id": "owner", "aws_secret_access_key": "any", "region_name": REGION}
        return boto3.client(service, endpoint_url=url, **keys)

    states = client("stepfunctions", states_url)
    execution_input, expected = RUNBOOKS[runbook]
    machine = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:aurora-runbooks-{runbook}"
    started = states.start_execution(
        stateMachineArn=machine, name=f"foreign-{runbook}", input=json.dumps(execution_input)
    )
    arn = started["executionArn"]
    print(f"\n{runbook} with {json.dumps(execution_input)}, by {interpreter}", flush=True)
    shown, end = 0, time.time() + LONGEST
    while True:
        described = states.describe_execution(executionArn=arn)
        pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
        history = [event for page in pages for event in page["events"]]
        for event in history[shown:]:
            entered = event.get("stateEnteredEventDetails")
            failed = event.get("taskFailedEventDetails")
            said = entered["name"] if entered else None
            if failed and failed.get("error") != "NotReady":
                said = f"{failed.get('error')}: {failed.get('cause')}"
            if said:
                print(f"  {event['timestamp']:%H:%M:%S}  {said}", flush=True)
        shown = len(history)
        if described["status"] != "RUNNING":
            break
        if time.time() > end:
            fail(f"{runbook} still runs after {LONGEST} s")
        time.sleep(1)
    if described["status"] != "SUCCEEDED":
        fail(f"{runbook} ended {described['status']}: {described.get('error')}: {described.get('cause')}")
    details = (event.get("stateEnteredEventDetails") for event in history)
    entered = {entered["name"] for entered in details if entered}
    missing = [name for name in expected.split() if name not in entered]
    if missing:
        fail(f"{runbook} succeeded without {', '.join(missing)}")
    answer = client("lambda", sandbox_url).invoke(
        FunctionName="aurora-runbooks-report-run", Payload=json.dumps({"detail": {"executionArn": arn}})
    )
    said = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        fail(f"report-run could not read the history: {said}")
    key = f"runs/foreign-{runbook}/report.json"
    report = json.load(client("s3", sandbox_url).get_object(Bucket=BUCKET, Key=key)["Body"])
    if report["status"] != "SUCCEEDED" or not report["outcome"]:
        fail(f"the report says {report['status']}: {report['outcome']}")
    retries = sum(1 for event in history if event["type"].endswith("Failed"))
    print(f"SUCCEEDED: {report['outcome']}", flush=True)
    print(f"({len(history)} events, {retries} tries that were repeated)", flush=True)
    return history


def paths(value, path):
    """The fields of a value and of the JSON in its texts, and whether each is a text or a number."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            pass
    if isinstance(value, dict):
        return {path}.union(*(paths(inner, f"{path}.{name}") for name, inner in value.items()))
    if isinstance(value, list):
        return {path}.union(*(paths(inner, f"{path}[]") for inner in value))
    return {f"{path} ({type(value).__name__})"}


def fields(history):
    """By state and kind of event, the fields that its events have."""
    events = {event["id"]: event for event in history}
    found = {}
    for event in history:
        of = event
        while of and "stateEnteredEventDetails" not in of and "stateExitedEventDetails" not in of:
            of = events.get(of.get("previousEventId"))
        details = (of or {}).get("stateEnteredEventDetails") or (of or {}).get("stateExitedEventDetails")
        key = (details["name"] if details else "the execution", event["type"])
        inner = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
        found.setdefault(key, set()).update(paths(inner, ""))
    return found


def compare(runbook, theirs, ours):
    theirs, ours = fields(theirs), fields(ours)
    print(f"\n{runbook}: what only one of the histories has", flush=True)
    if theirs == ours:
        print("  nothing", flush=True)
    for key in sorted(theirs.keys() | ours.keys()):
        for name, mine, other in (("LocalStack", theirs, ours), ("ours", ours, theirs)):
            if key not in other:
                print(f"  only {name}: {key[0]}, {key[1]}", flush=True)
            elif only := sorted(mine.get(key, set()) - other[key]):
                print(f"  only {name}: {key[0]}, {key[1]}: {', '.join(only)}", flush=True)


def main():
    arguments = sys.argv[1:]
    if arguments == ["serve"]:
        return serve()
    runbooks = [name for name in arguments if name != "--compare"] or list(RUNBOOKS)
    if unknown := [name for name in runbooks if name not in RUNBOOKS]:
        fail(f"{', '.join(unknown)}: this script knows {' and '.join(RUNBOOKS)}")
    python = install()
    if pathlib.Path(sys.executable) != python:
        os.execv(python, [str(python), __file__, *arguments])
    folder = ROOT / "target" / "foreign" / time.strftime("%Y%m%d-%H%M%S")
    print(f"Logs: {folder}", flush=True)
    for runbook in runbooks:
        history = run(runbook, folder / runbook)
        if "--compare" in arguments:
            compare(runbook, history, run(runbook, folder / f"{runbook}-ours", foreign=False))


if __name__ == "__main__":
    main()
