"""Runs the recipes of docs/guide/python.md against a service with the sample company."""

import asyncio
import base64
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

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/guide/python.md").read_text()


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
    return directory / "fixtures/python.remit.yaml"


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

            def mint(*arguments: str) -> str:
                command = [*program, "token", *arguments, "--ttl", "1h"]
                return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()

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
