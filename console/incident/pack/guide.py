"""``VERIFY.md`` and ``verify.sh``: how to check a pack with other people's programs."""

from __future__ import annotations

from pathlib import Path

from backends.words import count
from console.journal.export import guide
from console.journal.export.common import Snapshot

SCRIPT = "verify.sh"
NOTE_TITLE = "token-console incident pack v1"
"""The first line of what the log's key signs; the script has it too."""
PRINCIPAL = "responder"
NAMESPACE = "incident-pack@token-console"
"""The SSHSIG namespace of packs: no signature over anything else passes for one."""

_SIG = "! -path ./SHA256SUMS.sig"
_TEXT = """\
# Check this pack

Everything about one incident, with {entries} of the journal `{origin}`, whose key has the
fingerprint

    {fingerprint}

Compare it, and the file `vkey`, with what you were given before and by another way. A key
that came only with the pack shows that the pack is whole, not whose it is.

```sh
sh verify.sh                    # or, with the key that you know: sh verify.sh "$VKEY"
```

It uses `sha256sum`, `openssl` (3.0 or newer), `ssh-keygen` and other common programs, and none
of those who made the pack. It ends with 0 only if no byte and no file was changed, added or
taken away. It came with the pack, so read it, or do by hand what it does:

| file | what it is | what covers it |
|---|---|---|
{table}

## 1. All files are those that were packed

```sh
{files}
```

`SHA256SUMS.note` is a signed note (c2sp.org/signed-note): three lines with the SHA-256 of
`SHA256SUMS` and of `SHA256SUMS.sig`, and the signature of the log's key over them. With
OpenSSL 3, after `base64 -d` of the last word of its last line and without the first four bytes:

```sh
tail -n 1 SHA256SUMS.note | sed 's/.* //' | base64 -d | tail -c +5 > /tmp/note.sig &&
  sed '/^$/,$d' SHA256SUMS.note > /tmp/note &&
  openssl pkeyutl -verify -pubin -inkey journal/log.pem -rawin \\
    -in /tmp/note -sigfile /tmp/note.sig &&
  sha256sum SHA256SUMS* | cat - /tmp/note
```

{responder}
## 2. The checkpoint is signed

In `journal/`, over the checkpoint's own text:

```sh
cd journal &&
{checkpoint}
```

## 3. The entries are in the journal

{proofs}

## What it does not show

{limits}
{redacted}"""
_TABLE = (
    ("report.html, report.md, incident.json", "where the incident stands", "1"),
    ("handover.md", "what the next shift has to know", "1"),
    ("timeline.json", "what leaked, who used it, what was done", "1"),
    ("coverage.json", "what was seen of each system, and what not", "1"),
    ("tokens/...", "what is known of each token, and from which entries", "1"),
    ("ocsf.jsonl", "the entries in a form for a SIEM; a translation, no evidence", "1"),
    ("journal/leaves.txt", "number and RFC 6962 leaf hash (base64) of each entry", "1, 3"),
    ("journal/proofs/N.tlog-proof", "c2sp.org/tlog-proof of entry N", "1, 3"),
    ("journal/checkpoint, .body, .body.sig", "the journal's signed checkpoint", "1, 2"),
    ("vkey, journal/log.pem", "the log's key, twice", "compare it; 1"),
    ("policy", "which witnesses the maker believes (c2sp.org/tlog-policy)", "1"),
    ("VERIFY.md, verify.sh", "this; get them from somebody else if you doubt them", "1"),
    ("SHA256SUMS, SHA256SUMS.note", "the SHA-256 of every file, and who signed it", "1"),
)
_ENTRIES = ("journal/entries.jsonl", "the entries, one a line, byte for byte", "1, 3")
_SIGNERS = ("allowed_signers, SHA256SUMS.sig", "the responder's key and signature", "1")
_RESPONDER = """\
Who handed it over, with OpenSSH. `allowed_signers` has the key that signed: compare it with
the one that you know of them.

```sh
ssh-keygen -Y verify -f allowed_signers -I {principal} -n {space} \\
  -s SHA256SUMS.sig < SHA256SUMS
```

"""
_PROOFS = """\
Entry N's leaf hash is the SHA-256 of a zero byte and its line in `entries.jsonl` (without the
newline). `proofs/N.tlog-proof` has the hashes from there up to the root in the checkpoint;
`verify.sh` climbs them (RFC 9162, section 2.1.3.2), and with `--all` those of every entry. With
metamorphic-log or any other reader of c2sp.org/tlog-proof, that file and the line are enough."""
_PROOFS_REDACTED = """\
The entries themselves have names in them, and are not here. What is here is each one's RFC 6962
leaf hash in `leaves.txt`, and the proof that the journal has such an entry at that place. Who
is shown an entry later can compare: the leaf hash is the SHA-256 of a zero byte and the entry.
`verify.sh` climbs the proofs (RFC 9162, section 2.1.3.2), and with `--all` every one."""
_REDACTED = """
What the labels (token-1, person-2 and so on) stand for, and what somebody wrote: it was taken
out, and the list of the labels is not in the pack. The checkpoint and the key name the journal
and with it the machine it is on; without that nobody could check the signature.
"""


def text(found: Snapshot, entries: int, *, responder: bool, redacted: bool) -> str:
    """``VERIFY.md`` of a pack with so many entries."""
    rows = [*_TABLE]
    if not redacted:
        rows.insert(6, _ENTRIES)
    if responder:
        rows.append(_SIGNERS)
    return _TEXT.format(
        entries=count(entries, "entry", "entries"),
        origin=found.point.origin,
        fingerprint=found.key.fingerprint,
        table="\n".join(f"| `{name}` | {what} | {by} |" for name, what, by in rows),
        files=guide.FILES.replace(_SIG, f"{_SIG} ! -path ./SHA256SUMS.note"),
        responder=_RESPONDER.format(principal=PRINCIPAL, space=NAMESPACE) if responder else "",
        checkpoint=guide.CHECKPOINT,
        proofs=_PROOFS_REDACTED if redacted else _PROOFS,
        limits=guide.LIMITS,
        redacted=_REDACTED if redacted else "",
    )


def script() -> bytes:
    """``verify.sh``."""
    return Path(__file__).with_name(SCRIPT).read_bytes()
