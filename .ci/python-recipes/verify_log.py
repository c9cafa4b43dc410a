"""Verifies an export of Remit's audit log, a checkpoint, proofs and receipts, from the formats alone: no code of Remit's, no packages.

verify_log.py --key KEY --checkpoint FILE [--export FILE] [--proof FILE]... [--receipt FILE]... [--older FILE --consistency FILE]

--each-byte also alters each byte of the checkpoint, the proofs and the receipts, one after the other: each must be refused, or show the same.
"""

import argparse
import base64
import binascii
import functools
import hashlib
import json
import sys
from decimal import Decimal

# Ed25519 (RFC 8032), verification only: what is verified is public, so nothing depends on how long it takes.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def decode_point(data):
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(a, b):
    u, v = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    w, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = v - u, z - w, z + w, v + u
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(number, point):
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


# One signature is met again and again where texts around it are altered.
@functools.lru_cache(maxsize=64)
def is_signed(public, message, signature):
    a, r = decode_point(public), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


class Refused(Exception):
    """What is verified is not what it says."""


def require(condition, problem):
    if not condition:
        raise Refused(problem)


def decode_base64(text):
    """Standard base64, as it is written by all: another spelling of the same bytes is refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    require(data and base64.b64encode(data).decode() == text, "it is not base64")
    return data


def read_number(text):
    require(text.isascii() and text.isdigit() and str(int(text)) == text, "it is not a number")
    return int(text)


def open_checkpoint(note, key):
    """c2sp.org/signed-note and c2sp.org/tlog-checkpoint: the size and the root that the key has signed."""
    name, digest, encoded = key.strip().split("+", 2)
    typed = decode_base64(encoded)
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    require(len(typed) == 33 and typed[0] == 1 and expected.hex() == digest, "the key is none for Ed25519")
    text, blank, lines = note.rpartition("\n\n")
    text += "\n"
    require(blank and lines.endswith("\n"), "it is not a signed note")
    require(all(c == "\n" or c >= " " for c in text), "it has characters that no note has")
    signatures = []
    for line in lines[:-1].split("\n"):
        parts = line.split(" ")
        require(len(parts) == 3 and parts[0] == "\u2014" and parts[1], "it has a line that is no signature")
        data = decode_base64(parts[2])
        if parts[1] == name and data[:4] == expected:
            signatures.append(data[4:])
    require(signatures, "the checkpoint is not signed by the key")
    require(all(is_signed(typed[1:], text.encode(), s) for s in signatures), "the signature is not genuine")
    members = text.split("\n")
    require(len(members) >= 4 and members[0] == name, "it is not a checkpoint of this log")
    root = decode_base64(members[2])
    require(len(root) == 32, "its root is no hash")
    return read_number(members[1]), root


def hash_leaf(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def hash_node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def compute_root(hashes):
    """The tree that certificate transparency builds level by level: an odd one out goes up as it is."""
    if not hashes:
        return hashlib.sha256().digest()
    while len(hashes) > 1:
        pairs = [hash_node(*hashes[i : i + 2]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]


def check_proof(text, key):
    """c2sp.org/tlog-proof, by the steps of RFC 9162, section 2.1.3.2."""
    head, _, checkpoint = text.partition("\n\n")
    first, extra, place, *path = [*head.split("\n"), "", ""]
    require(first == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and place.startswith("index "), "it is not a proof")
    path = path[:-2]
    leaf = decode_base64(extra[6:])
    index = read_number(place[6:])
    size, root = open_checkpoint(checkpoint, key)
    require(0 <= index < size, "the index is beyond the log")
    fn, sn, result = index, size - 1, hash_leaf(leaf)
    for hash_ in map(decode_base64, path):
        require(sn > 0 and len(hash_) == 32, "the proof is too long")
        if fn & 1 or fn == sn:
            result = hash_node(hash_, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = hash_node(result, hash_)
        fn, sn = fn >> 1, sn >> 1
    require(sn == 0 and result == root, "the record is not in the log")
    return index, leaf


def check_consistency(older, newer, path):
    """RFC 9162, section 2.1.4.2."""
    (first, first_root), (second, second_root) = older, newer
    require(first <= second, "the log was set back")
    if first == second or first == 0:
        require(not path and (first == 0 or first_root == second_root), "the log is another")
        return
    if first & (first - 1) == 0:
        path = [first_root, *path]
    require(path, "the proof is too short")
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for hash_ in path[1:]:
        require(sn > 0, "the proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = hash_node(hash_, fr), hash_node(hash_, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = hash_node(sr, hash_)
        fn, sn = fn >> 1, sn >> 1
    require(sn == 0 and fr == first_root and sr == second_root, "the log does not begin with the older one")


def read_json(text):
    """RFC 8259, and no member twice: two readers must see the same."""

    def collect(pairs):
        members = dict(pairs)
        require(len(members) == len(pairs), "a member is given twice")
        return members

    def refuse(name):
        raise Refused(f"{name} is no number of JSON")

    try:
        return json.loads(text, object_pairs_hook=collect, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused("it is not JSON") from error


def write_number(number):
    """As ECMAScript writes it, which RFC 8785 asks for."""
    exact = Decimal(repr(number)).normalize()
    if exact == 0:
        return "0"
    if Decimal("1e-6") <= abs(exact) < Decimal("1e21"):
        return f"{exact:f}"
    digits, exponent = f"{exact:e}".split("e")
    return f"{digits}e{int(exponent):+d}"


def write_canonical(value):
    """RFC 8785: members stand in the order of the UTF-16 units of their names."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{write_canonical(name)}:{write_canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write_canonical, value)) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return write_number(value)
    return json.dumps(value, ensure_ascii=False)


def require_opened(opened, commitment, place):
    require(set(opened) == {"salt", "value"}, f"{place}: it has other members")
    salt = decode_base64(opened["salt"])
    # A longer one could take the beginning of the value to itself.
    require(len(salt) == 32, f"{place}: its salt is not 32 bytes long")
    digest = hashlib.sha256(salt + write_canonical(opened["value"]).encode()).digest()
    require(commitment == {"$commit": base64.b64encode(digest).decode()}, f"{place}: it is not what was committed to")


def find_member(parts, place):
    """The value at a JSON pointer into the record, whose members the parts have. The keys are beside the record."""
    names = [name.replace("~1", "/").replace("~0", "~") for name in place.split("/")]
    written = "/".join(name.replace("~", "~0").replace("/", "~1") for name in names)
    require(names[0] == "" and written == place and len(names) > 1, f"{place}: it is no place of a record")
    for part, opened in parts.items():
        node = opened["value"]
        if part == "keys" or names[1] not in node:
            continue
        for name in names[1:]:
            if isinstance(node, list):
                require(name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < len(node), f"{place}: it is not there")
                node = node[int(name)]
            else:
                require(isinstance(node, dict) and name in node, f"{place}: it is not there")
                node = node[name]
        return node
    raise Refused(f"{place}: it is in no part that is opened")


def check_receipt(text, key):
    """A receipt: its proof by the key, its leaf by the proof, its parts by the leaf, its values by the parts."""
    receipt = read_json(text)
    require(isinstance(receipt, dict) and set(receipt) == {"receipt", "leaf", "parts", "values", "proof"}, "it is no receipt")
    require(receipt["receipt"] == "remit-receipt@v1", "it is a receipt of another form")
    index, leaf = check_proof(receipt["proof"], key)
    require(write_canonical(receipt["leaf"]).encode() == leaf, "its leaf is not the one that is proved")
    for name, opened in receipt["parts"].items():
        require_opened(opened, receipt["leaf"]["parts"].get(name), f"parts.{name}")
    for place, opened in receipt["values"].items():
        require_opened(opened, find_member(receipt["parts"], place), f"values.{place}")
    shown = {name: {place: opened["value"] for place, opened in receipt[name].items()} for name in ("parts", "values")}
    return index, leaf, write_canonical(shown)


def list_altered(text):
    data = text.encode()
    for place in range(len(data)):
        altered = bytearray(data)
        altered[place] ^= 1 << place % 7
        try:
            yield place, altered.decode()
        except UnicodeDecodeError:
            pass


def require_each_byte(text, check):
    """@returns the number of altered texts that were refused; those that weren't show the same."""
    shown, refused = check(text), 0
    for place, altered in list_altered(text):
        try:
            require(check(altered) == shown, f"byte {place} can be another unseen")
        except Refused as problem:
            if "unseen" in str(problem):
                raise
            refused += 1
        except (AttributeError, KeyError, TypeError):
            # A member of another name or type: it is of no form that is verified.
            refused += 1
    return refused


def main(arguments=None):
    try:
        verify(arguments)
    except Refused as problem:
        raise SystemExit(f"refused: {problem}") from problem


def verify(arguments):
    parser = argparse.ArgumentParser()
    for name in ("--key", "--checkpoint"):
        parser.add_argument(name, required=True)
    parser.add_argument("--export")
    parser.add_argument("--proof", action="append", default=[])
    parser.add_argument("--receipt", action="append", default=[])
    parser.add_argument("--older")
    parser.add_argument("--consistency")
    parser.add_argument("--each-byte", action="store_true")
    options = parser.parse_args(arguments)

    def read(path):
        with open(path, newline="", encoding="utf8") as file:
            return file.read()

    key = options.key
    head = open_checkpoint(read(options.checkpoint), key)
    print(f"the checkpoint is genuine: {head[0]} records")
    leaves = None
    if options.export is not None:
        leaves = [line.encode() for line in read(options.export).split("\n")[:-1]]
        require(len(leaves) >= head[0], "the export is shorter than the log of the checkpoint")
        require(compute_root([hash_leaf(leaf) for leaf in leaves[: head[0]]]) == head[1], "the export is not what was signed")
        print("the export is what was signed")
    for path in options.proof:
        index, leaf = check_proof(read(path), key)
        require(leaves is None or leaves[index] == leaf, f"{path}: the leaf is not that of the export")
        print(f"{path}: record {json.loads(leaf)['id']} is in the log, at {index}")
    for path in options.receipt:
        index, leaf, _ = check_receipt(read(path), key)
        require(leaves is None or leaves[index] == leaf, f"{path}: the leaf is not that of the export")
        print(f"{path}: all that it says of record {json.loads(leaf)['id']} is proved, at {index}")
    if options.older is not None:
        proof = json.loads(read(options.consistency))["proof"]
        older = open_checkpoint(read(options.older), key)
        check_consistency(older, head, [decode_base64(line) for line in proof])
        print(f"the log begins with the one of {older[0]} records")
    if options.each_byte:
        checks = [(options.checkpoint, lambda text: open_checkpoint(text, key))]
        checks += [(path, lambda text: check_proof(text, key)) for path in options.proof]
        checks += [(path, lambda text: check_receipt(text, key)) for path in options.receipt]
        for path, check in checks:
            text = read(path)
            print(f"{path}: {require_each_byte(text, check)} of {len(text.encode())} bytes are refused when they are altered")


if __name__ == "__main__":
    sys.exit(main())
