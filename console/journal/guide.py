"""``VERIFY.md``: how to check an export with other people's programs, and what that shows."""

from __future__ import annotations

from console.journal.tlog.checkpoint import Checkpoint
from console.journal.tlog.note import Verifier

NAME = "VERIFY.md"

_TEXT = """\
# Check this export

A journal of {size:,} entries, named `{origin}`. Its log key has the fingerprint

    {fingerprint}

Compare it, and the file `vkey`, with what you were given before and by another way. A key
that came only with the export shows that the export is whole, not whose it is.

No command below uses a program of those who made the journal. Run them in this directory;
each block ends with an error if something is wrong.

## The checkpoint is signed

With OpenSSH (where `checkpoint.sig` is there):

```sh
ssh-keygen -Y verify -f allowed_signers -I journal -n journal-checkpoint@token-console \\
  -s checkpoint.sig < checkpoint
```

With OpenSSL 3, over the checkpoint's own text:

```sh
head -n 3 checkpoint | cmp - checkpoint.body
openssl pkeyutl -verify -pubin -inkey log.pem -rawin -in checkpoint.body \\
  -sigfile checkpoint.body.sig
```

With metamorphic-log (a signed-note verifier in Rust; `pip install metamorphic-log`):

```sh
python3 -c 'import metamorphic_log as log
print(log.checkpoint_verify(open("checkpoint").read(), [open("vkey").read().strip()]).size)'
```

## The entries are those that were signed

Each line of `entries.jsonl` is one entry, byte for byte. With pymerkle (`pip install
pymerkle`), the root over them is the third line of the checkpoint:

```sh
python3 -c 'import base64, pymerkle
tree = pymerkle.InmemoryTree(algorithm="sha256")
for line in open("entries.jsonl", "rb"):
    tree.append_entry(line.rstrip(b"\\n"))
root = base64.b64encode(tree.get_root()).decode()
assert open("checkpoint").read().split("\\n")[2] == root, root'
```

Each entry also names the SHA-256 of the one before it. With jq and coreutils:

```sh
prev=$(printf '0%.0s' $(seq 64))
while IFS= read -r line; do
  test "$(printf %s "$line" | jq -r .prev)" = "$prev"
  prev=$(printf %s "$line" | sha256sum | cut -d' ' -f1)
done < entries.jsonl
```

The directory is a log in the form of c2sp.org/tlog-tiles. Two programs that read that form:

```sh
python3 -m aics_tlog verify-checkpoint --tiles . --vkey-file vkey
```

```sh
timeout 600 fsck -ui=false -N 8 -storage_url="file://$PWD" -public_key="$(cat vkey)"
```

The second is of github.com/transparency-dev/tessera. Keep its time limit and `-N 8`: it
was seen to wait for ever at a bad tile.

## Nothing was cut off or rewritten since

A checkpoint that you kept from before, or that a witness cosigned, must be of this log: at
its size, this log must have its root. `policy` (c2sp.org/tlog-policy) names the witnesses,
`checkpoint.witnessed` is the last cosigned one where it is older than `checkpoint`.

```sh
python3 -m aics_tlog verify-consistency --tiles . --old-checkpoint KEPT --vkey-file vkey
```

## Responders signed what they did

`signatures/journal-entry@token-console/N` is what the responder's key signed for entry N.
`allowed_signers` says whose keys they are, if the export was made with such a file.

```sh
for sig in signatures/*/*.sig; do
  test -e "$sig" || continue
  space=$(basename "$(dirname "$sig")")
  ssh-keygen -Y check-novalidate -n "$space" -s "$sig" < "${{sig%.sig}}"
done
```

That checks the mathematics. Who it was: `ssh-keygen -Y find-principals -s N.sig -f
allowed_signers`; for `journal-intent@token-console`, `-f signatures/sessions` gives the id
of the entry that opened the session, which a responder's key signed. What is signed is the
members `type`, `id`, `log`, `why`, `incident`, `act`, `plan`, `run`, `out` and `session` of
the entry, as RFC 8785 JSON: compare them with line N of `entries.jsonl`.

## What it does not show

Whether the reasons are true, what was done outside the tool, or what somebody with root on
the machine did before an entry was written. `ocsf.jsonl` is a translation for searching;
only the entries are evidence.
"""


def text(point: Checkpoint, key: Verifier) -> str:
    """The file for an export of that checkpoint."""
    return _TEXT.format(size=point.size, origin=point.origin, fingerprint=key.fingerprint)
