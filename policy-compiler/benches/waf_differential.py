"""The same requests through Sluicegate's rules and libmodsecurity's: which rule ids one tells and the other does not.

Requests are those of a corpus in JSON lines, mutated by a seeded generator. Usage:
waf_differential.py CORPUS COUNT SEED COMMAND..., where COMMAND reads requests as JSON lines and answers with ids.
"""

import collections
import glob
import json
import os
import random
import subprocess
import sys
import urllib.parse

import libmodsecurity as library

FIRST = (
    "SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n"
    'SecRule REQUEST_HEADERS:Content-Type "^application/json" '
    '"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"\n'
)
PIECES = ["'", '"', "<", ">", "%00", "%27", "%u0027", "&lt;", "\\", "/*", "*/", "--", "#", "=", "(", ")", ";", "|", "`",
          "+", "%20", "%0a", "..", "/", "${", "}", "script", "union select", "or 1=1", "etc/passwd", "exec", "cmd", "0x41",
          "%2", "%", "%zz", "%c0%af", "A", "z", "0", " "]


def ascii_only(text):
    return "".join(char if 0x20 <= ord(char) < 0x7F else f"%{ord(char) & 0xFF:02x}" for char in text)


def mutated(text, source, other):
    """One small change: a piece put in, cut out, doubled, spelled otherwise, or exchanged with another request's."""
    at = source.randrange(len(text) + 1)
    to = min(len(text), at + source.randrange(1, 9))
    how = source.randrange(7)
    if how == 0:
        return text[:at] + source.choice(PIECES) + text[at:]
    if how == 1:
        return text[:at] + text[to:]
    if how == 2:
        return text[:to] + text[at:to] + text[to:]
    if how == 3:
        return text[:at] + text[at:to].swapcase() + text[to:]
    if how == 4:
        return text[:at] + "".join(f"%{ord(char) & 0xFF:02x}" for char in text[at:to]) + text[to:]
    if how == 5 and other:
        begin = source.randrange(len(other))
        return text[:at] + other[begin:begin + source.randrange(1, 24)] + text[at:]
    return text[:at] + urllib.parse.unquote(text[at:to], "latin-1") + text[to:]


def requests(corpus, count, source):
    for _ in range(count):
        one, other = source.choice(corpus), source.choice(corpus)
        uri, body = one["uri"], one["body"]
        headers = [list(header) for header in one["headers"]]
        for _ in range(source.randrange(1, 4)):
            where = source.randrange(3)
            if where == 0 or (where == 1 and not body) or (where == 2 and not headers):
                path, mark, query = uri.partition("?")
                uri = path + mark + mutated(query, source, other["uri"]) if mark else path + "?x=" + mutated("", source, other["uri"])
            elif where == 1:
                body = mutated(body, source, other["body"] or other["uri"])
            else:
                header = source.choice(headers)
                if header[0].lower() not in ("content-length", "content-type", "host"):
                    header[1] = ascii_only(mutated(header[1], source, other["uri"]))
        for header in headers:
            if header[0].lower() == "content-length":
                header[1] = str(len(body))
        uri = ascii_only(uri.replace(" ", "+"))
        yield {**one, "uri": uri, "headers": headers, "body": body}


def corpus(path):
    for line in open(path, encoding="utf-8"):
        one = json.loads(line)
        body = one.get("wire_body") or ""
        wire = one.get("wire_headers") or one["headers"]
        plain = [one["uri"], one["method"], *(text for header in wire for text in header)]
        if all(text.isascii() and text.isprintable() for text in plain) and all(ord(char) < 256 for char in body):
            yield {"method": one["method"], "uri": one["uri"], "version": one["version"], "headers": wire,
                   "body": body, "server": "127.0.0.1:80"}


def rules_of(folder):
    rules = library.RulesSet()
    rules.load(FIRST)
    for path in [f"{folder}/crs-setup.conf", *sorted(glob.glob(f"{folder}/rules/*.conf"))]:
        # The wheel knows no countries, and the one file that asks for them looks at addresses alone.
        if rules.load_from_uri(path) < 0 and "GeoIP" not in rules.get_parser_error():
            sys.exit(f"waf-differential: {path}: {rules.get_parser_error()}")
    return rules


def theirs(engine, rules, request):
    one = library.Transaction(engine, rules)
    one.process_connection("127.0.0.1", 40000, "127.0.0.1", 80)
    one.process_uri(request["uri"], request["method"], request["version"].removeprefix("HTTP/"))
    for name, value in request["headers"]:
        one.add_request_header(name, value)
    one.process_request_headers()
    if request["body"]:
        one.append_request_body(request["body"].encode("latin-1"))
    one.process_request_body()
    one.add_response_header("Content-Length", "0")
    one.process_response_headers(200, "HTTP/1.1")
    one.process_response_body()
    one.process_logging()
    return {message.rule_id for message in one.get_rule_messages()}


def main():
    path, count, seed, *command = sys.argv[1:]
    folder = os.environ["SLUICEGATE_CRS"]
    engine = library.ModSecurity()
    engine.set_rule_message_callback(lambda *_: None)
    rules = rules_of(folder)
    ours = subprocess.Popen([*command, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "WAF_BEFORE": FIRST})
    known = list(corpus(path))
    only_ours, only_theirs, same = collections.Counter(), collections.Counter(), 0
    example = {}
    # Scores differ wherever a rule does, so what only sums them up says nothing more.
    sums = {949110, 959100, 980100, 980110, 980120, 980130, 980140, 980150, 200001}
    for number, request in enumerate(requests(known, int(count), random.Random(int(seed)))):
        ours.stdin.write(json.dumps(request) + "\n")
        ours.stdin.flush()
        own = set(json.loads(ours.stdout.readline())["ids"]) - sums
        peer = theirs(engine, rules, request) - sums
        same += own == peer
        for ids, counter, side in [(own - peer, only_ours, "here"), (peer - own, only_theirs, "there")]:
            for rule in ids:
                counter[rule] += 1
                example.setdefault((rule, side), request)
        if number % 1000 == 999:
            print(f"waf-differential: {number + 1} of {count}", file=sys.stderr)
    print(f"{same} of {count} requests with the same rule ids ({100 * same / int(count):.2f} %), seed {seed}")
    print("\n| Rule | told here alone | told there alone |\n|---|---|---|")
    for rule in sorted(set(only_ours) | set(only_theirs), key=lambda rule: -(only_ours[rule] + only_theirs[rule])):
        print(f"| {rule} | {only_ours[rule]} | {only_theirs[rule]} |")
    if "WAF_EXAMPLES" in os.environ:
        for (rule, side), request in sorted(example.items()):
            print(f"\n{rule} {side}: {json.dumps(request)[:1500]}")
    sys.stdout.flush()
    # The library's own end is not safe.
    os._exit(0)


main()
