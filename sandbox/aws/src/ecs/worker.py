#!/usr/bin/env python3
"""Logs its arguments and environment; the variable DO says how it behaves."""
import json, os, signal, sys, time

what = os.environ.get("DO", "exit 0").split()
if what[0] == "handle":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
if what[0] == "ignore":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}), flush=True)
if what[0] == "exit":
    sys.exit(int(what[1]))
time.sleep(60)
