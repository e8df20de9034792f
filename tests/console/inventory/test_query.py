"""The language of the filter line."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import UsageError
from console.inventory.search.query import KEYS, Query, QueryError, parse, read, scope
from console.inventory.search.terms import Term
from console.store.queries.conditions import together


def test_words_keys_quotes_and_negation() -> None:
    query = parse('ci "two words" owner:payments -owner:none !grant:admin,root used:<30d')
    assert query.terms == (
        Term("", ("ci",)),
        Term("", ("two words",)),
        Term("owner", ("payments",)),
        Term("owner", ("none",), True),
        Term("grant", ("admin", "root"), True),
        Term("used", ("<30d",)),
    )


def test_quoted_characters_mean_themselves() -> None:
    assert parse('"owner:x"').terms == (Term("", ("owner:x",)),)
    assert parse('"-x"').terms == (Term("", ("-x",)),)
    assert parse('owner:"a,b",c').terms == (Term("owner", ("a,b", "c")),)
    assert parse(r'"say \"hi\""').terms == (Term("", ('say "hi"',)),)


@pytest.mark.parametrize(
    "text",
    ["-", "!", "owner:", "-owner:", "used:", "used:<", "used:<3", "used:nev", "is:g",
     "state:act", "state:active,dis", '"', '""', "owner:=", "expires:>12", "owner:a,", '"two wo'],
)  # fmt: skip
def test_what_is_not_finished_is_said_while_typing_and_refused_otherwise(text: str) -> None:
    """While one types the other terms hold; whoever acts by it gets an error that names it."""
    understood = read(f"ci {text}")
    assert understood.query == parse("ci")
    [fault] = understood.faults
    assert fault.unfinished
    assert (fault.text, f"ci {text}"[fault.start : fault.end]) == (text, text)
    with pytest.raises(QueryError) as caught:
        parse(f"ci {text}")
    assert text in str(caught.value)


def test_nothing_typed_finds_everything_and_is_no_fault() -> None:
    for text in ("", "  "):
        assert read(text) == (Query(), ())
        assert parse(text) == Query()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("owner:partner used:>90", "used:>90: say the unit: used:>90d"),
        ("state:disa", "state:disa: did you mean state:disabled?"),
        ("state:disbled", "did you mean state:disabled?"),
        ("onwer:x", "did you mean owner:?"),
        ("used:30d", "say < or >: used:<30d or used:>30d"),
        ("used:>", "used:>90d"),
        ("age:>5q", "there is no unit 'q'"),
        ("--owner:none", "one - or ! is enough"),
        ("owner:", "owner:WORD"),
    ],
)
def test_an_error_names_the_term_and_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert meant in str(caught.value)
    assert caught.value.code == 2


def test_where_something_is_done_a_free_word_takes_in_less_and_leaves_out_as_much() -> None:
    query = scope("campaigns -legacy owner:a")
    assert query.terms == (
        Term("text", ("campaigns",)),
        Term("", ("legacy",), True),
        Term("owner", ("a",)),
    )
    assert parse(str(query)) == query == scope(str(query))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("arn:aws:iam", "owner"),
        ("state:dead", "state:active"),
        ("used:30d", "used:<30d"),
        ("used:<30x", "used:never"),
        ("is:fine", "is:gone"),
        ("age:never", "age:>1y"),
    ],
)
def test_an_error_names_what_is_known(text: str, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert says in caught.value.hint
    assert isinstance(caught.value, UsageError)


def test_the_unknown_key_error_names_all_keys() -> None:
    with pytest.raises(QueryError) as caught:
        parse("onwer:payments")
    assert all(key in caught.value.hint for key in KEYS)


pieces = st.one_of(
    st.text(st.characters(), max_size=12),
    st.sampled_from([f"{key}:" for key in KEYS]),
    st.sampled_from(
        [
            '"',
            "-",
            "!",
            ",",
            ":",
            " ",
            "<",
            ">",
            "\\",
            "30d",
            "never",
            "none",
            "=",
            "\0",
            "/",
            "orphan",
            "0123456789ab",
        ]
    ),
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    assert parse(str(query)) == query
    assert read(text) == (query, ())
    if any(term.key == "incident" for term in query.terms):
        return  # Its tokens take the place of its id first, from the journal.
    where, args = together(query.clauses(1_000_000_000))
    assert where.count("?") == len(args)


@given(st.lists(pieces, max_size=12).map("".join))
def test_each_piece_of_any_text_is_applied_or_said_not_to_be(text: str) -> None:
    query, faults = read(text)
    assert parse(str(query)) == query
    assert [text[fault.start : fault.end] for fault in faults] == [fault.text for fault in faults]
    assert query.terms or faults or not text.split()
    again = scope(str(query))
    assert scope(str(again)) == again


@given(st.lists(pieces, max_size=12).map("".join))
def test_every_query_is_sql_that_is_never_null(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    if any(term.key == "incident" for term in query.terms):
        return  # Its tokens take the place of its id first, from the journal.
    connection = sqlite3.connect(":memory:")
    connection.create_function("fold", 1, lambda value: value)
    columns = (
        "hay, grant_text, name, ref, scope, handle, principal, principal_how, owner_how, owner_key,"
        " backend, kind, status, used_how, used_key, expires_how, expires_key, created_how,"
        " created_at, grants_how, grants, changed_at, change, appeared_at, owner, owner_gone"
    )
    connection.execute(f"CREATE TABLE token ({columns})")
    for value in (None, "x"):
        row = [value] * 26
        connection.execute(f"INSERT INTO token VALUES ({', '.join('?' * 26)})", row)
    where, args = together(query.clauses(1_000_000_000))
    try:
        found = connection.execute(
            f"SELECT ({where}) FROM token WHERE hay IS NOT NULL",
            [str(arg).encode("utf-8", "replace").decode() if isinstance(arg, str) else arg
             for arg in args],
        ).fetchall()  # fmt: skip
    finally:
        connection.close()
    assert all(value in (0, 1) for (value,) in found)
