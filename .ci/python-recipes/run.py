"""Runs the recipes of docs/guide/python.md against a service with the sample company, and verifies its audit log."""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import httpx

import verify_log

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/guide/python.md").read_text()
AUDITOR_KEY = "auditor-key"


def write_config(directory: Path) -> Path:
    """Makes keys and a configuration as the page says."""
    for folder in ("schema", "policies", "fixtures"):
        shutil.copytree(ROOT / folder, directory / folder)
    # Its rules for the night would make the outcome depend on the hour.
    (directory / "policies/agents.cedar").unlink()
    for file in (directory / "policies").glob("*.yaml"):
        file.unlink()
    (directory / "clients.yaml").write_text(re.search(r"```yaml\n(clients:\n.*?)```", PAGE, re.S)[1])
    commands = re.search(r"```sh\n(.*?)```", PAGE, re.S)[1]
    subprocess.run(["sh", "-e", "-c", commands], cwd=directory, check=True)
    for line in (directory / "keys.env").read_text().splitlines():
        name, key = line.removeprefix("export ").split("=", 1)
        os.environ[name] = key
    file = directory / "fixtures/python.remit.yaml"
    auditor = f"clients:\n  - {{ id: auditor, key_sha256: {hashlib.sha256(AUDITOR_KEY.encode()).hexdigest()}, may: [admin] }}\n"
    file.write_text(file.read_text().replace("clients:\n", auditor, 1))
    return file


def load_recipe(name: str) -> dict:
    [code] = re.findall(rf"```python recipe={name}\n(.*?)```", PAGE, re.S)
    namespace: dict = {"__name__": f"recipe_{name}"}
    exec(compile(code, f"docs/guide/python.md ({name})", "exec"), namespace)
    return namespace


async def get_employee(app, token) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api"
    ) as client:
        return await client.get("/employees/erin", headers=headers)


def forged(token: str) -> str:
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    text = json.dumps({**claims, "scope": "hr.employees.read code.read"}).encode()
    return f"{head}.{base64.urlsafe_b64encode(text).rstrip(b'=').decode()}.{signature}"


def check_masking(masked, check) -> None:
    def refuses(value, type="mask", fields=("ssn",)) -> bool:
        obligation = {"id": type, "type": type, "properties": {"fields": list(fields)}}
        try:
            masked(value, {"context": {"obligations": [obligation]}})
        except TypeError:
            return True
        return False

    mask = {"id": "mask", "type": "mask", "properties": {"fields": ["address.street", "ssn"]}}
    answer = {"context": {"obligations": [mask]}}
    home, hidden = {"street": "Elm", "city": "Porto"}, {"city": "Porto"}
    for name, value, expected in (
        ("a field", {"ssn": "1", "name": "Erin"}, {"name": "Erin"}),
        ("a nested field", {"address": home, "street": "Oak"}, {"address": hidden, "street": "Oak"}),
        ("a field through a list", {"address": [home, home]}, {"address": [hidden, hidden]}),
        ("a field through lists of lists", {"address": [[home]]}, {"address": [[hidden]]}),
        ("a field whose name is a path", {"address.street": "Elm", "a": 1}, {"a": 1}),
        ("a field below one whose name is a path", {"ssn.last": 1, "address.street.no": 2}, {}),
        ("a record within an envelope", {"data": [{"address": home, "ssn": 1}]}, {"data": [{"address": hidden}]}),
        ("a record within a field of a path", {"address": {"ssn": 1, "address": home}}, {"address": {"address": hidden}}),
        ("a value where a path leads on", {"address": "Elm", "name": None}, {"address": "Elm", "name": None}),
    ):
        check(f"{name} is masked", masked(value, answer), expected)
    record = type("Record", (), {"ssn": "1"})()
    for name, arguments in (
        ("a bare value", ("1",)),
        ("a record that isn't plain", (record,)),
        ("a record that isn't plain, within another", ({"a": [record]},)),
        ("fields that aren't plain", ({"a": {"b": (record,)}},)),
        ("another obligation", ({}, "visible_fields")),
        ("a mask that can't be read", ({}, "mask", [""])),
    ):
        check(f"{name} is refused", refuses(*arguments), True)
    check("nothing to mask", masked("1", {"context": {"obligations": []}}), "1")


async def check_fastapi(tokens: dict, check) -> None:
    recipe = load_recipe("fastapi")
    check_masking(recipe["masked"], check)
    app = recipe["app"]
    response = await get_employee(app, tokens["reader"])
    check("an agent reads, masked", (response.status_code, response.json()), (200, {"id": "erin", "name": "Erin"}))
    for name, token, status in (
        ("no token", None, 401),
        ("no token at all", "nonsense", 401),
        ("a token that was changed", forged(tokens["reader"]), 401),
        ("a token without the scope", tokens["coder"], 403),
    ):
        check(name, (await get_employee(app, token)).status_code, status)
    url, os.environ["REMIT_URL"] = os.environ["REMIT_URL"], "http://127.0.0.1:9"
    lost = await get_employee(load_recipe("fastapi")["app"], tokens["reader"])
    os.environ["REMIT_URL"] = url
    check("no answer", lost.status_code, 503)


async def check_apparitor(tokens: dict, check) -> None:
    may_call = load_recipe("apparitor")["may_call"]
    read = {"id": "payments-api"}
    check("an agent reads", await may_call(tokens["coder"], "carol", "read_repository", read), True)
    for name, arguments in (
        ("another repository", (tokens["coder"], "carol", "read_repository", {"id": "infra-live"})),
        ("another user", (tokens["coder"], "dave", "read_repository", read)),
        ("a tool that isn't listed", (tokens["coder"], "carol", "drop", read)),
        ("a token that was changed", (forged(tokens["coder"]), "carol", "read_repository", read)),
        ("a token without the scope", (tokens["reader"], "alice", "read_repository", read)),
    ):
        check(f"{name} is blocked", await may_call(*arguments), False)


async def check_toolkit(tokens: dict, check) -> None:
    may_call = load_recipe("toolkit")["may_call"]
    check("an agent reads", may_call(tokens["coder"], "code-bot", "carol", "read", "payments-api"), True)
    for name, arguments in (
        ("another agent", (tokens["coder"], "hr-assistant", "carol", "read", "payments-api")),
        ("another user", (tokens["coder"], "code-bot", "dave", "read", "payments-api")),
        ("another repository", (tokens["coder"], "code-bot", "carol", "read", "infra-live")),
        ("a token that was changed", (forged(tokens["coder"]), "code-bot", "carol", "read", "payments-api")),
    ):
        check(f"{name} is denied", may_call(*arguments), False)


def check_audit(url: str, remit, directory: Path, older: str, check) -> None:
    """The log of the service, by a verifier that shares no code with it; and what was done to each part is refused."""

    def get(path: str) -> httpx.Response:
        return httpx.get(f"{url}/v1/{path}", headers={"Authorization": f"Bearer {AUDITOR_KEY}"})

    def write(name: str, text: str) -> str:
        # Line ends must stay as they are.
        (directory / name).write_bytes(text.encode())
        return str(directory / name)

    def refuses(*arguments: str) -> bool:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                verify_log.main(arguments)
            except (SystemExit, ValueError):
                return True
        return False

    decisions = get("decisions").json()["results"][:5]
    check("there are decisions", len(decisions) > 1, True)
    while get(f"audit/proof/{decisions[0]['id']}").status_code == 409:
        time.sleep(0.1)
    key, checkpoint = get("audit/key").text.strip(), get("audit/checkpoint").text
    export = remit("audit", "export", "--format", "jsonl", "--key", AUDITOR_KEY)
    proofs = [get(f"audit/proof/{decision['id']}").text for decision in decisions]
    first, last = (note.split("\n")[1] for note in (older, checkpoint))
    consistency = get(f"audit/consistency?from={first}&to={last}").text
    signed = ["--key", key, "--checkpoint", write("checkpoint", checkpoint)]
    grown = ["--older", write("older", older), "--consistency", write("consistency", consistency)]
    whole = [*signed, "--export", write("export", export), *grown]
    for i, proof in enumerate(proofs):
        whole += ["--proof", write(f"proof{i}", proof)]
    check("the log has grown", int(first) < int(last), True)
    check("the log, its proofs and its growth are genuine", refuses(*whole), False)
    lines = export.splitlines(keepends=True)
    for name, altered in (
        ("changed", export.replace('"decision"', '"decisioN"', 1)),
        ("swapped", "".join([lines[1], lines[0], *lines[2:]])),
        ("dropped", "".join(lines[1:])),
        ("added", "".join([lines[0], *lines])),
    ):
        check(f"a leaf that was {name} is refused", refuses(*signed, "--export", write("altered", altered)), True)
    size, other = f"\n{last}\n", f"\n{int(last) + 1}\n"
    forged = write("forged", checkpoint.replace(size, other, 1))
    check("another checkpoint is refused", refuses("--key", key, "--checkpoint", forged), True)
    moved = re.sub(r"index (\d+)", lambda place: f"index {int(place[1]) ^ 1}", proofs[0])
    check("another place is refused", refuses(*signed, "--proof", write("moved", moved)), True)
    fork = write("fork", json.dumps({"proof": [*json.loads(consistency)["proof"], base64.b64encode(bytes(32)).decode()]}))
    check("another growth is refused", refuses(*signed, "--older", str(directory / "older"), "--consistency", fork), True)


def main() -> int:
    counts = {True: 0, False: 0}

    def check(name: str, actual, expected) -> None:
        counts[actual == expected] += 1
        print(f"{'ok' if actual == expected else 'FAILED'}: {name}" + ("" if actual == expected else f": {actual}"))

    with tempfile.TemporaryDirectory(prefix="remit-python-") as folder:
        directory = Path(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        env = {
            "PATH": os.environ["PATH"],
            "REMIT_CONFIG": str(write_config(directory)),
            "REMIT_DATA": str(directory / "data"),
            "REMIT_PORT": str(port),
        }
        program = ["node", str(ROOT / "dist/main.js")]
        url = f"http://127.0.0.1:{port}"
        os.environ["REMIT_URL"] = url
        service = subprocess.Popen([*program, "serve"], env=env, stdout=subprocess.DEVNULL)
        try:
            await_ready(service, url)

            def remit(*arguments: str) -> str:
                command = [*program, *arguments]
                return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout

            def mint(*arguments: str) -> str:
                return remit("token", *arguments, "--ttl", "1h").strip()

            while (head := httpx.get(f"{url}/v1/audit/checkpoint")).status_code == 409:
                time.sleep(0.1)

            tokens = {
                "reader": mint("--user", "alice", "--agent", "hr-assistant", "--scope", "hr.employees.read"),
                "coder": mint("--user", "carol", "--agent", "code-bot", "--scope", "code.read"),
            }
            for recipe in (check_fastapi, check_apparitor, check_toolkit):
                print(recipe.__name__)
                try:
                    asyncio.run(recipe(tokens, check))
                except Exception:
                    traceback.print_exc()
                    counts[False] += 1
            print(check_audit.__name__)
            check_audit(url, remit, directory, head.text, check)
        finally:
            service.terminate()
            service.wait(30)
    # As vitest writes it, which .ci/run reads.
    print(f"Tests  {counts[False]} failed | {counts[True]} passed ({sum(counts.values())})")
    return 0 if counts[False] == 0 and counts[True] > 0 else 1


def await_ready(service: subprocess.Popen, url: str) -> None:
    for _ in range(600):
        if service.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health/ready").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the service did not start: build it first")


sys.exit(main())
