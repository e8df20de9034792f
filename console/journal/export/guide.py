"""``VERIFY.md``: how to check an export with other people's programs, and what that shows."""

from __future__ import annotations

from backends.words import count
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import Verifier

NAME = "VERIFY.md"
SUMS = "SHA256SUMS"

_TEXT = """\
# Check this export

A journal of {entries}, named `{origin}`. Its log key has the fingerprint

    {fingerprint}

Compare it, and the file `vkey`, with what you were given before and by another way. A key
that came only with the export shows that the export is whole, not whose it is.

No command below uses a program of those who made the journal. Paste each block into bash, in
this directory: it ends with a status other than 0 if something is wrong (`echo $?`).

| file | what covers it |
|---|---|
| `entries.jsonl` | 4 (each byte), 5, 1 |
| `tile/...` | 6, 7, 1 |
| `checkpoint` | 3, 4, 1 |
| `checkpoint.sig`, `checkpoint.body`, `checkpoint.body.sig` | 3, 1 |
| `checkpoint.witnessed` | 8, 1 |
| `vkey`, `log.pem`, `ssh.pub`, the first line of `allowed_signers` | 2, 1 |
| `signatures/...` | 9, 1 |
| the other lines of `allowed_signers`, `policy` | 1 alone: they are what the maker believes |
| `ocsf.jsonl` | 1 alone: a translation for searching, and no evidence |
| `VERIFY.md` | 1 alone: get the commands from somebody else if you doubt them |
| `SHA256SUMS`, `SHA256SUMS.sig` | 1 |

## 1. All files are those that were exported

```sh
{files}
```

{sums}
## 2. It is one key, in all its forms

With Python alone:

```sh
python3 -c 'import base64, hashlib
def text(name):
    return open(name, newline="").read()
name, id_, data = text("vkey")[:-1].split("+", 2)
key = base64.b64decode(data, validate=True)
ssh = b"\\0\\0\\0\\x0bssh-ed25519\\0\\0\\0\\x20" + key[1:]
line = "ssh-ed25519 " + base64.b64encode(ssh).decode()
spki = bytes.fromhex("302a300506032b6570032100") + key[1:]
pem = "-----BEGIN PUBLIC KEY-----\\n%s\\n-----END PUBLIC KEY-----\\n"
good = (
    len(key) == 33 and text("vkey")[-1] == "\\n" and name == text("checkpoint").split("\\n")[0]
    and hashlib.sha256(name.encode() + b"\\n" + key).hexdigest()[:8] == id_
    and text("log.pem") == pem % base64.b64encode(spki).decode()
    and text("ssh.pub") == line + "\\n"
    and text("allowed_signers").split("\\n")[0] == "journal namespaces=\\"{spaces}\\" " + line
)
raise SystemExit(0 if good else "vkey, log.pem, ssh.pub and allowed_signers are not one key")'
```

## 3. The checkpoint is signed

{ssh}With OpenSSL 3, over the checkpoint's own text:

```sh
{openssl}
```

With metamorphic-log (a signed-note verifier in Rust; `pip install metamorphic-log`):

```sh
python3 -c 'import metamorphic_log as log
print(log.checkpoint_verify(open("checkpoint").read(), [open("vkey").read().strip()]).size)'
```

## 4. The entries are those that were signed

Each line of `entries.jsonl` is one entry, byte for byte. With pymerkle (`pip install
pymerkle`), the root over them is the third line of the checkpoint:

```sh
python3 -c 'import base64, pymerkle
tree = pymerkle.InmemoryTree(algorithm="sha256")
for line in open("entries.jsonl", "rb"):
    tree.append_entry(line[:-1])
told = open("checkpoint").read().split("\\n")
root = base64.b64encode(tree.get_root()).decode()
good = told[1] == str(tree.get_size()) and told[2] == root and line[-1:] == b"\\n"
raise SystemExit(0 if good else "the root is " + root)'
```

## 5. Each entry names the one before it

With jq and coreutils. The last one is named by none: 4 covers it.

```sh
(
  set -e
  prev=$(printf '0%.0s' $(seq 64))
  while IFS= read -r line; do
    test "$(printf %s "$line" | jq -r .prev)" = "$prev"
    prev=$(printf %s "$line" | sha256sum | cut -d' ' -f1)
  done < entries.jsonl
)
```

## 6. The tiles are those of the entries

The directory is a log in the form of c2sp.org/tlog-tiles. With Python alone:

```sh
python3 -c 'import hashlib, os
def digest(data):
    return hashlib.sha256(data).digest()
def path(level, number, width):
    name = "%03d" % (number % 1000)
    while number >= 1000:
        number //= 1000
        name = "x%03d/%s" % (number % 1000, name)
    return "tile/%s/%s%s" % (level, name, "" if width == 256 else ".p/%d" % width)
wanted = {{}}
def put(level, parts):
    for first in range(0, len(parts), 256):
        part = parts[first:first + 256]
        wanted[path(level, first // 256, len(part))] = b"".join(part)
def top(row):
    while len(row) > 1:
        row = [digest(b"\\1" + row[n] + row[n + 1]) for n in range(0, len(row), 2)]
    return row[0]
entries = [line[:-1] for line in open("entries.jsonl", "rb")]
put("entries", [len(entry).to_bytes(2, "big") + entry for entry in entries])
row, level = [digest(b"\\0" + entry) for entry in entries], 0
while row:
    put(level, row)
    row, level = [top(row[n:n + 256]) for n in range(0, len(row) - 255, 256)], level + 1
found = {{os.path.join(place, name) for place, _, names in os.walk("tile") for name in names}}
bad = found ^ set(wanted) or {{name for name in found if open(name, "rb").read() != wanted[name]}}
raise SystemExit("not as they should be: " + ", ".join(sorted(bad)) if bad else 0)'
```

## 7. The same by somebody else's program

With Go, the checker of github.com/transparency-dev/tessera. Keep its time limit and `-N 8`:
it was seen to wait for ever at a bad tile. Where there is no `go`, this block checks nothing,
says so, and ends with 127, which is no verdict on the export. Skip it then: 4 and 6 check the
same entries and tiles, and what this one adds is that somebody else wrote the checker.

```sh
command -v go > /dev/null || {{ echo "nothing was checked: there is no go here"; (exit 127); }} &&
timeout 600 go run github.com/transparency-dev/tessera/cmd/fsck@v1.0.4 -ui=false -N 8 \\
  -storage_url="file://$PWD" -public_key="$(cat vkey)"
```

## 8. Nothing was cut off or rewritten since

A checkpoint that you kept from before, or that a witness cosigned, must be of this log: at
its size, this log must have its root. Name yours first: `KEPT=/mnt/usb/journal.pin`. `policy`
(c2sp.org/tlog-policy) names the witnesses; `checkpoint.witnessed`, where it is there, is the
last checkpoint that one of them cosigned. With pymerkle and metamorphic-log:

```sh
python3 -c 'import base64, os, pymerkle, sys, metamorphic_log as log
lines = [line[:-1] for line in open("entries.jsonl", "rb")]
for kept in sys.argv[1:]:
    if kept == "checkpoint.witnessed" and not os.path.exists(kept):
        continue
    data = open(kept).read()
    log.checkpoint_verify(data, [open("vkey").read().strip()])
    size, root = data.split("\\n")[1:3]
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for line in lines[:int(size)]:
        tree.append_entry(line)
    if len(lines) < int(size) or base64.b64encode(tree.get_root()).decode() != root:
        raise SystemExit(kept + " is of another history")' \\
  "${{KEPT:-checkpoint}}" checkpoint.witnessed
```

Where the log's key was replaced since, give the key of that time in place of `vkey`.

## 9. Responders signed what they did

`signatures/journal-entry@token-console/N` is what the responder's key signed for entry N, and
`signatures/journal-intent@token-console/N` what the key of their session signed: a call, or
what came of it. The mathematics, with OpenSSH:

```sh
(
  set -e
  for sig in signatures/*/*.sig; do
    test -e "$sig" || continue
    space=$(basename "$(dirname "$sig")")
    ssh-keygen -Y check-novalidate -n "$space" -s "$sig" < "${{sig%.sig}}"
  done
)
```

That what they signed stands in the entries, and that no signature is left out, with Python
alone. Signed are these members of an entry, as RFC 8785 JSON:

```sh
python3 -c 'import base64, json, os
members = {members}
spaces = ["journal-entry@token-console", "journal-intent@token-console"]
wanted, sessions, bad = set(), "", []
for number, line in enumerate(open("entries.jsonl", "rb"), 1):
    entry = json.loads(line)
    if entry.get("session", {{}}).get("key", "").startswith("ssh-"):
        key = " ".join(entry["session"]["key"].split()[:2])
        sessions += "%s namespaces=\\"%s\\" %s\\n" % (entry["id"], spaces[1], key)
    if entry.get("sig", {{}}).get("namespace") not in spaces:
        continue
    name = "signatures/%s/%d" % (entry["sig"]["namespace"], number)
    wanted |= {{name, name + ".sig"}}
    said = {{member: entry[member] for member in members if member in entry}}
    blob = "".join(open(name + ".sig").read().split("\\n")[1:-2])
    if json.load(open(name)) != said or blob != entry["sig"]["sig"]:
        bad.append(name)
if sessions and open("signatures/sessions", newline="").read() != sessions:
    bad.append("signatures/sessions")
found = {{os.path.join(place, each) for place, _, names in os.walk("signatures") for each in names}}
bad += sorted(found ^ (wanted | ({{"signatures/sessions"}} if sessions else set())))
raise SystemExit("not what the entries say: " + ", ".join(bad) if bad else 0)'
```

Who it was: `ssh-keygen -Y find-principals -s N.sig -f allowed_signers`, if the export was made
with such a file; for `journal-intent@token-console`, `-f signatures/sessions` gives the id of
the entry that opened the session, which a responder's key signed.

## What it does not show

{limits}
"""
FILES = """\
sha256sum --quiet --strict -c SHA256SUMS &&
  test "$(find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig | wc -l)" \\
    = "$(wc -l < SHA256SUMS)"\
"""
"""Whether all files are those of the sums, and there is no other, in shell."""
CHECKPOINT = """\
head -n 3 checkpoint | cmp - checkpoint.body &&
  openssl pkeyutl -verify -pubin -inkey log.pem -rawin -in checkpoint.body \\
    -sigfile checkpoint.body.sig\
"""
"""Whether the log's key signed the checkpoint, with OpenSSL 3."""
LIMITS = """\
Whether the reasons are true, what was done outside the tool, or what somebody with root on
the machine did before an entry was written.\
"""
"""What no check of such files shows."""
_SUMS = """\
Who made these sums, with OpenSSH:

```sh
ssh-keygen -Y verify -f allowed_signers -I journal -n {space} \\
  -s SHA256SUMS.sig < SHA256SUMS
```

"""
_NO_SUMS = """\
The log's private key was not at hand, so nobody signed these sums: they find accidents, and
files that were exchanged one by one, but not somebody who made the sums anew.

"""
_SSH = """\
With OpenSSH:

```sh
ssh-keygen -Y verify -f allowed_signers -I journal -n {space} \\
  -s checkpoint.sig < checkpoint
```

"""


def text(
    point: Checkpoint,
    key: Verifier,
    *,
    signed: bool,
    namespaces: tuple[str, str],
    members: tuple[str, ...],
) -> str:
    """The file for an export of that checkpoint.

    ``signed`` says that the log's private key was at hand; ``namespaces`` are those of its
    SSH signatures over the checkpoint and over the sums, ``members`` what responders sign.
    """
    checkpoint, sums = namespaces
    return _TEXT.format(
        entries=count(point.size, "entry", "entries"),
        origin=point.origin,
        fingerprint=key.fingerprint,
        files=FILES,
        openssl=CHECKPOINT,
        limits=LIMITS,
        sums=_SUMS.format(space=sums) if signed else _NO_SUMS,
        ssh=_SSH.format(space=checkpoint) if signed else "",
        spaces=",".join(namespaces),
        members="[" + ", ".join(f'"{each}"' for each in members) + "]",
    )
