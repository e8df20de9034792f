#!/bin/sh
# Checks this pack with sha256sum, openssl 3, ssh-keygen and other common programs alone.
#
#   sh verify.sh [--all] [VKEY]
#
# VKEY is the log's key as you were given it before and by another way (the file vkey has the
# one that came with the pack). --all checks the proof of each entry, which takes about a
# second for five of them; without it, that of the first fifty.
#
# It ends with 0 if all is as it was made, with 1 if anything is not, with 2 if a program is
# missing and nothing was checked, and with 3 if all that could be checked is good and something
# could not be.
set -eu
LC_ALL=C
export LC_ALL
unset CDPATH
passed=
work=

# Whatever happens, and whatever one byte of this file may have become: only one that came to
# the end of every check ends with 0.
finish() {
    code=$?
    [ -z "$work" ] || rm -rf "$work"
    if [ "$code" -eq 0 ] && [ "$passed" != "key note files responder checkpoint proofs" ]; then
        code=1
    fi
    exit "$code"
}
trap finish EXIT

refuse() {
    echo "REFUSED: $*" >&2
    exit 1
}

all=no
known=
for word; do
    case $word in
    --all) all=yes ;;
    *) known=$word ;;
    esac
done
for tool in sha256sum openssl base64 cmp find od sed sort head tail tr wc mktemp; do
    command -v "$tool" > /dev/null || {
        echo "nothing was checked: there is no $tool here" >&2
        exit 2
    }
done
cd "$(dirname "$0")" || exit 2
work=$(mktemp -d) || exit 2
left=

sum() {
    sha256sum < "$1" | cut -d' ' -f1
}

# 1. The log's key, in the form that OpenSSL reads.
vkey=$(head -n 1 vkey 2> /dev/null) || refuse "there is no vkey"
printf '%s\n' "$vkey" | cmp -s - vkey || refuse "vkey is not one line"
if [ -n "$known" ] && [ "$known" != "$vkey" ]; then
    refuse "the pack is signed by another key than the one that you know"
fi
name=${vkey%%+*}
rest=${vkey#*+}
id=${rest%%+*}
printf %s "${rest#*+}" | base64 -d > "$work/key" 2> /dev/null || refuse "vkey is no key"
[ "$(wc -c < "$work/key")" -eq 33 ] || refuse "vkey is no Ed25519 key"
told=$({ printf '%s\n' "$name" && cat "$work/key"; } | sha256sum | cut -c1-8)
[ "$told" = "$id" ] || refuse "vkey does not fit its own id"
{
    printf '\060\052\060\005\006\003\053\145\160\003\041\000'
    tail -c 32 "$work/key"
} | openssl pkey -pubin -inform DER -out "$work/key.pem" 2> /dev/null || refuse "vkey is no key"
passed=key

signed() { # text, signature
    openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$1" -sigfile "$2" \
        > /dev/null 2>&1
}

# 2. That key signed the sums over all files. The note is made anew and has to be the same, so
# that no byte of it may differ.
[ -f SHA256SUMS ] || refuse "there is no SHA256SUMS"
[ -f SHA256SUMS.note ] || refuse "there is no SHA256SUMS.note"
responder=none
[ ! -e SHA256SUMS.sig ] || responder=$(sum SHA256SUMS.sig)
{
    echo "token-console incident pack v1"
    echo "SHA256SUMS $(sum SHA256SUMS)"
    echo "SHA256SUMS.sig $responder"
} > "$work/body"
last=$(tail -n 1 SHA256SUMS.note)
printf %s "${last##* }" | base64 -d > "$work/blob" 2> /dev/null ||
    refuse "SHA256SUMS.note has no signature"
{
    cat "$work/body"
    echo
    printf '\342\200\224 %s %s\n' "$name" "$(base64 < "$work/blob" | tr -d '\n')"
} | cmp -s - SHA256SUMS.note || refuse "SHA256SUMS.note is not over these sums"
[ "$(head -c 4 "$work/blob" | od -An -tx1 | tr -d ' \n')" = "$id" ] ||
    refuse "SHA256SUMS.note is by another key"
tail -c +5 "$work/blob" > "$work/signature"
signed "$work/body" "$work/signature" || refuse "the log's key did not sign these sums"
passed="$passed note"

# 3. All files are those of the sums, and there is nothing else.
{
    sed 's/^[0-9a-f]\{64\}  //' SHA256SUMS
    printf './SHA256SUMS\n./SHA256SUMS.note\n'
    [ "$responder" = none ] || echo ./SHA256SUMS.sig
} | sort > "$work/wanted"
find . ! -type d | sort | cmp -s - "$work/wanted" || refuse "a file was added or taken away"
[ -z "$(find . ! -type d ! -type f)" ] || refuse "there is something that is no file"
[ -z "$(find . -type d -empty)" ] || refuse "an empty directory was added"
sha256sum --quiet --strict -c SHA256SUMS >&2 || refuse "a file was changed"
passed="$passed files"

# 4. The responder's key signed the same sums.
if [ "$responder" != none ]; then
    if command -v ssh-keygen > /dev/null; then
        ssh-keygen -Y verify -f allowed_signers -I responder -n incident-pack@token-console \
            -s SHA256SUMS.sig < SHA256SUMS > /dev/null 2>&1 ||
            refuse "the responder's key did not sign these sums"
    else
        left="the responder's signature (there is no ssh-keygen here)"
    fi
fi
passed="$passed responder"

# 5. The log's key signed the checkpoint.
cd journal || refuse "there is no journal"
head -n 3 checkpoint | cmp -s - checkpoint.body || refuse "checkpoint.body is another one"
signed checkpoint.body checkpoint.body.sig || refuse "the log's key did not sign the checkpoint"
size=$(sed -n 2p checkpoint.body)
root=$(sed -n 3p checkpoint.body)
passed="$passed checkpoint"

# 6. The entries are in the log of that checkpoint (RFC 9162, section 2.1.3.2).
node() {
    {
        printf '\001'
        printf %s "$1" | base64 -d
        printf %s "$2" | base64 -d
    } | openssl dgst -sha256 -binary | base64
}

climb() { # number, hash of the leaf, file of the proof
    fn=$(($1 - 1))
    sn=$((size - 1))
    r=$2
    [ "$(sed -n 1p "$3")" = "c2sp.org/tlog-proof@v1" ] || return 1
    [ "$(sed -n 2p "$3")" = "index $fn" ] || return 1
    for p in $(sed -e '1,2d' -e '/^$/,$d' "$3"); do
        [ "$sn" -ne 0 ] || return 1
        if [ $((fn & 1)) -eq 1 ] || [ "$fn" -eq "$sn" ]; then
            r=$(node "$p" "$r")
            while [ $((fn & 1)) -eq 0 ] && [ "$fn" -ne 0 ]; do
                fn=$((fn >> 1))
                sn=$((sn >> 1))
            done
        else
            r=$(node "$r" "$p")
        fi
        fn=$((fn >> 1))
        sn=$((sn >> 1))
    done
    [ "$sn" -eq 0 ] && [ "$r" = "$root" ]
}

number=$(wc -l < leaves.txt | tr -d ' ')
[ "$(find proofs -name '*.tlog-proof' | wc -l | tr -d ' ')" = "$number" ] ||
    refuse "not every entry has a proof"
raw=no
if [ -e entries.jsonl ]; then
    raw=yes
    [ "$(wc -l < entries.jsonl | tr -d ' ')" = "$number" ] || refuse "an entry has no proof"
    exec 3< entries.jsonl
fi
checked=0
while read -r seq leaf; do
    [ "$checked" -lt 50 ] || [ "$all" = yes ] || break
    if [ "$raw" = yes ]; then
        IFS= read -r line <&3 || refuse "entries.jsonl ends too early"
        made=$({ printf '\000' && printf %s "$line"; } | openssl dgst -sha256 -binary | base64)
        [ "$made" = "$leaf" ] || refuse "entry $seq is not the one that is proved"
    fi
    climb "$seq" "$leaf" "proofs/$seq.tlog-proof" || refuse "entry $seq is not in that log"
    checked=$((checked + 1))
done < leaves.txt
passed="$passed proofs"

# A byte at the top of this file could have taken the rules of the top away.
case $- in
*e*) ;;
*) exit 1 ;;
esac
echo "good: the log's key signed these files, and the checkpoint of $size entries"
echo "proofs checked: $checked of $number"
[ "$checked" = "$number" ] || echo "for all of them: sh verify.sh --all"
if [ "$responder" = none ]; then
    echo "no responder signed it"
elif [ -z "$left" ]; then
    echo "the responder's key (allowed_signers) signed them too"
fi
if [ -z "$known" ]; then
    echo "whose key it is was not checked; give the one that you know: sh verify.sh VKEY"
    echo "it is $vkey"
fi
if [ -n "$left" ]; then
    echo "NOT CHECKED: $left" >&2
    exit 3
fi
