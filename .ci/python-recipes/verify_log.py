"""Verifies an export of Remit's audit log, a checkpoint and proofs, from the formats alone: no code of Remit's, no packages.

verify_log.py --key KEY --checkpoint FILE [--export FILE] [--proof FILE]... [--older FILE --consistency FILE]
"""

import argparse
import base64
import hashlib
import json
import sys

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


def is_signed(public, message, signature):
    a, r = decode_point(public), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


def require(condition, problem):
    if not condition:
        raise SystemExit(f"refused: {problem}")


def open_checkpoint(note, key):
    """c2sp.org/signed-note and c2sp.org/tlog-checkpoint: the size and the root that the key has signed."""
    name, digest, encoded = key.strip().split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    require(len(typed) == 33 and typed[0] == 1 and expected.hex() == digest, "the key is none for Ed25519")
    text, lines = note.split("\n\n", 1)
    text += "\n"
    signatures = []
    for line in lines.rstrip("\n").split("\n"):
        dash, signer, data = line.split(" ")
        data = base64.b64decode(data, validate=True)
        if dash == "\u2014" and signer == name and data[:4] == expected:
            signatures.append(data[4:])
    require(signatures, "the checkpoint is not signed by the key")
    require(all(is_signed(typed[1:], text.encode(), s) for s in signatures), "the signature is not genuine")
    origin, size, root = text.split("\n")[:3]
    require(origin == name and str(int(size)) == size, "it is not a checkpoint of this log")
    return int(size), base64.b64decode(root, validate=True)


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
    head, checkpoint = text.split("\n\n", 1)
    first, extra, place, *path = head.split("\n")
    require(first == "c2sp.org/tlog-proof@v1" and extra.startswith("extra "), "it is not a proof")
    leaf = base64.b64decode(extra[6:], validate=True)
    index = int(place.removeprefix("index "))
    size, root = open_checkpoint(checkpoint, key)
    require(0 <= index < size, "the index is beyond the log")
    fn, sn, result = index, size - 1, hash_leaf(leaf)
    for hash_ in (base64.b64decode(line, validate=True) for line in path):
        require(sn > 0, "the proof is too long")
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


def main(arguments=None):
    parser = argparse.ArgumentParser()
    for name in ("--key", "--checkpoint"):
        parser.add_argument(name, required=True)
    parser.add_argument("--export")
    parser.add_argument("--proof", action="append", default=[])
    parser.add_argument("--older")
    parser.add_argument("--consistency")
    options = parser.parse_args(arguments)

    def read(path):
        with open(path, newline="", encoding="utf8") as file:
            return file.read()

    head = open_checkpoint(read(options.checkpoint), options.key)
    print(f"the checkpoint is genuine: {head[0]} records")
    leaves = None
    if options.export is not None:
        leaves = [line.encode() for line in read(options.export).split("\n")[:-1]]
        require(len(leaves) >= head[0], "the export is shorter than the log of the checkpoint")
        require(compute_root([hash_leaf(leaf) for leaf in leaves[: head[0]]]) == head[1], "the export is not what was signed")
        print("the export is what was signed")
    for path in options.proof:
        index, leaf = check_proof(read(path), options.key)
        require(leaves is None or leaves[index] == leaf, f"{path}: the leaf is not that of the export")
        print(f"{path}: record {json.loads(leaf)['id']} is in the log, at {index}")
    if options.older is not None:
        proof = json.loads(read(options.consistency))["proof"]
        older = open_checkpoint(read(options.older), options.key)
        check_consistency(older, head, [base64.b64decode(line, validate=True) for line in proof])
        print(f"the log begins with the one of {older[0]} records")


if __name__ == "__main__":
    sys.exit(main())
