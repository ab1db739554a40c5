#!/usr/bin/env python3
"""Speaks the Runtime API; its log tells its environment, and the event's `do` says how it behaves."""
import json, os, sys, time, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
print(json.dumps(dict(os.environ)), flush=True)
if os.environ.get("FAIL_INIT"):
    urllib.request.urlopen(api + "init/error", json.dumps({"errorType": "Init", "errorMessage": "no"}).encode())
    sys.exit(1)
count = 0
while True:
    with urllib.request.urlopen(api + "invocation/next") as call:
        id, event = call.headers["Lambda-Runtime-Aws-Request-Id"], json.load(call)
        arn = call.headers["Lambda-Runtime-Invoked-Function-Arn"]
    count += 1
    what, kind = event.get("do"), "response"
    answer = {"pid": os.getpid(), "count": count, "arn": arn, "event": event}
    if what == "exit": sys.exit(3)
    if what == "sleep": time.sleep(event["seconds"])
    if what == "error": kind, answer = "error", {"errorType": "NotReady", "errorMessage": "later"}
    urllib.request.urlopen(api + "invocation/" + id + "/" + kind, json.dumps(answer).encode())
