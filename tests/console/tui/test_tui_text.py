"""What the screen says, before anything is drawn."""

import subprocess
import sys

import pytest
from rich.cells import cell_len

from console.inventory.search.inventory import Row
from console.tui.actions import registry
from console.tui.actions.context import Context, TokenContext
from console.tui.draw import columns, lines, readings
from console.tui.draw.spark import spark
from console.tui.session import remembered
from console.tui.views import status
from console.tui.views.inventory import findings

NOW = 1_800_000_000
HOSTILE = "\x1b]52;c;AAAA\x07[/red]\u202e\x9b31m\r\n\0"


def row(**more: object) -> Row:
    values: dict[str, object] = dict.fromkeys(Row._fields, "")
    values |= {
        "rowid": 1, "handle": "abc123", "backend": "vault-prod", "kind": "service",
        "id": "acc-1", "name": "ci-deploy", "state": "active", "presence": "present",
        "owner_how": "known", "owner": "payments", "principal_how": "known",
        "principal": "jenkins", "created_how": "known", "created_at": NOW - 86_400 * 10,
        "used_how": "known", "used_at": NOW - 3_600, "expires_how": "known",
        "expires_at": NOW + 86_400, "grants_how": "known", "grants": 2,
        "first_seen": NOW - 86_400, "changed_at": NOW - 5, "change": "new",
    }  # fmt: skip
    return Row(**(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [HOSTILE, "日本語の名前です", "plain", "", "x" * 9_000])
@pytest.mark.parametrize("width", [0, 1, 7, 40])
def test_fit_takes_exactly_its_cells_and_no_control_character(text: str, width: int) -> None:
    shown = lines.fit(text, width)
    assert cell_len(shown) == width
    assert shown.isprintable()


def test_running_text_breaks_at_blanks_and_keeps_every_word() -> None:
    text = "the quick brown fox, and a-word-that-is-far-too-long-for-one-line here"
    broken = lines.wrap(text, 20)
    assert all(cell_len(piece) <= 20 for piece in broken)
    assert "".join(broken).replace(" ", "") == text.replace(" ", "")
    assert broken[0] == "the quick brown fox,"


def test_a_steady_use_never_looks_like_none() -> None:
    assert spark([0] * 24, 8) == " " * 8
    steady = spark([5] * 24, 8)
    assert len(set(steady)) == 1
    assert steady.strip()
    assert spark([0] * 23 + [1], 8) == " " * 7 + "▁"
    assert spark([10**9] * 24, 24) == "█" * 24
    assert spark([1] * 24, 24, ascii_only=True).isascii()


def test_two_rows_share_one_scale() -> None:
    quiet, busy = spark([2] * 24, 8), spark([2_000] * 24, 8)
    assert quiet < busy


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("never", "never"),
        ("not_tracked", "untracked"),
        ("not_permitted", "forbidden"),
        ("not_read", "not read"),
    ],
)
def test_the_four_ways_of_not_knowing_read_differently(how: str, word: str) -> None:
    used = columns.BY_ID["used"]
    text, _ = columns.cell(row(used_how=how, used_at=None), used, 9, NOW, (), False)
    assert text.strip() == word


def test_nobody_and_not_known_are_two_owners() -> None:
    owner = columns.BY_ID["owner"]
    assert columns.cell(row(owner_how="never"), owner, 11, NOW, (), False)[0].strip() == "(none)"
    assert (
        columns.cell(row(owner_how="not_read"), owner, 11, NOW, (), False)[0].strip() == "not read"
    )


def test_gone_is_a_word() -> None:
    state = columns.BY_ID["state"]
    assert columns.cell(row(presence="gone"), state, 9, NOW, (), False)[0].strip() == "gone"


@pytest.mark.parametrize("width", [40, 80, 100, 160, 200, 300])
def test_a_row_is_never_wider_than_the_screen(width: int) -> None:
    parts = columns.row_parts(row(), columns.layout(width), now=NOW, finding="!")
    assert lines.width_of(parts) <= width


def test_eighty_columns_show_what_matters_and_wide_ones_show_more() -> None:
    narrow = [placed.column.id for placed in columns.layout(80)]
    assert narrow == ["name", "backend", "owner", "age", "used", "spark", "state"]
    wide = {placed.column.id for placed in columns.layout(160)}
    assert {"kind", "principal", "grants", "expires", "created"} <= wide
    assert {p.column.id: p.width for p in columns.layout(160)}["spark"] == 24


def test_findings_need_a_reading_and_never_its_lack() -> None:
    unknown = row(owner_how="not_read", used_how="not_tracked", expires_how="not_permitted")
    assert findings.findings(unknown, NOW) == []
    bad = row(
        owner_how="never", used_how="never", expires_how="never", created_at=NOW - 86_400 * 800
    )
    assert [found.glyph for found in findings.findings(bad, NOW)] == ["!", "O", "o"]
    assert findings.findings(bad._replace(presence="gone"), NOW) == []


def test_a_reading_tells_its_step() -> None:
    from datetime import UTC, datetime, timedelta

    from backends.model import known

    at = datetime.fromtimestamp(NOW - 120, UTC)
    told = readings.provenance(known(at, "audit log", at, timedelta(days=1)), NOW)
    assert told == "audit log, as of 2m ago, kept to the day"


def test_every_action_has_its_own_key_in_each_view() -> None:
    for view in registry.VIEWS:
        keys = [key for action in registry.here(view) for key in action.keys]
        assert len(keys) == len(set(keys)), view


def test_a_key_means_one_thing_in_all_views() -> None:
    """What was learned in one view must not do something else in the next."""
    meanings: dict[str, set[str]] = {}
    for action in registry.ACTIONS:
        for key in action.keys:
            meanings.setdefault(key, set()).add(action.meaning)
    assert {key: found for key, found in meanings.items() if len(found) > 1} == {}
    senses = {action.sense for action in registry.ACTIONS if action.sense}
    shared = [
        {each.label for each in registry.ACTIONS if each.meaning == sense} for sense in senses
    ]
    assert sorted(sorted(labels) for labels in shared) == [
        ["close"], ["evidence pack", "export"], ["filter", "find"], ["left"], ["let be"],
        ["new", "take in", "take in late", "take in new"],
        ["open", "zoom, list"], ["read again", "refresh"], ["right"],
    ], "only what a person would call the same has one meaning"  # fmt: skip


def test_danger_is_off_with_a_reason_until_everything_allows_it() -> None:
    revoke = registry.BY_ID["revoke"]
    full = {"revoke": "full"}
    token = TokenContext(backend="v", kind="k", can_act=True, verbs=full)
    able = Context(act=True, token=token)
    assert revoke.disabled_reason(able) == ""
    by_hand = able._replace(token=token._replace(verbs={"revoke": "manual"}, can_act=False))
    assert revoke.disabled_reason(by_hand) == "", "a person does it; the plan has the card"
    many = able._replace(marks=3, token=None)
    assert revoke.disabled_reason(many) == "", "the plan says it one by one"
    of_token: list[tuple[dict[str, object], str]] = [
        ({"can_act": False}, "no credential to act"),
        ({"verbs": {}}, "declares no way"),
        ({"verbs": {"revoke": "none"}}, "cannot revoke"),
        ({"gone": True}, "gone"),
        ({"ended": "expired"}, "expired"),
    ]
    around: list[tuple[dict[str, object], str]] = [
        ({"act": False}, "--act"),
        ({"token": None}, "no token"),
        ({"worker": False}, "not running"),
        ({"view": "journal"}, "not in the journal view"),
    ]
    for change, word in around + [({"token": token._replace(**c)}, w) for c, w in of_token]:
        assert word in revoke.disabled_reason(able._replace(**change)), change


def test_the_footer_has_only_what_works() -> None:
    shown = [action.id for action in registry.footer(Context(token=TokenContext()))]
    assert "revoke" not in shown
    assert {"filter", "open", "help"} <= set(shown)


def test_the_palette_offers_beginnings_first() -> None:
    found = [action.id for action in registry.matching("sort", Context())]
    assert found[0] == "sort"
    assert "sort_owner" in found


def test_the_key_table_has_every_action_and_loads_no_textual() -> None:
    table = registry.key_table_markdown()
    assert all(f"{action.tooltip}" in table for action in registry.ACTIONS)
    code = (
        "import sys, console.tui.actions.registry as a; a.key_table_markdown();"
        "print([m for m in sys.modules if m.split('.')[0] == 'textual'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_broken_memory_is_as_good_as_none(tmp_path) -> None:
    file = tmp_path / "screen.json"
    kept = remembered.Remembered(("name", "owner"), "used", True, NOW)
    remembered.save(file, kept)
    assert remembered.load(file) == kept
    assert file.stat().st_mode & 0o777 == 0o600
    for broken in ("", "[]", "{", '{"columns": 3, "sort": 1, "descending": 1, "seen": "x"}'):
        file.write_text(broken)
        assert remembered.load(file) == remembered.Remembered()


def test_where_one_part_ends_is_no_place_to_break() -> None:
    broken = lines.flow([("issued long ago", ""), (", by hand", "dim")], 15)
    assert [lines.plain(line).strip() for line in broken] == ["issued long", "ago, by hand"]


def test_whatever_is_drawn_is_harmless_whoever_made_the_text() -> None:
    from console.tui.draw.cells import strip

    drawn = strip([(HOSTILE, ""), ("日本", "bold"), (HOSTILE * 50, "bad")], 60)
    text = "".join(segment.text for segment in drawn)
    assert drawn.cell_length == 60
    assert text.isprintable()


def test_only_the_cells_that_differ_are_painted_again() -> None:
    from console.tui.draw.cells import changed, strip

    old = strip([("vault-prod 4m  aws 1m", "")], 40)
    assert changed(old, strip([("vault-prod 4m  aws 1m", "")], 40)) is None
    assert changed(old, strip([("vault-prod 5m  aws 1m", "")], 40)) == (11, 12)
    assert changed(old, strip([("vault-prod 4m  ", ""), ("aws", "bad"), (" 1m", "")], 40)) == (
        15,
        18,
    )
    assert changed(old, strip([("日本", "")], 40)) == (0, 40)


def test_a_failure_that_does_not_fit_in_the_strip_is_counted() -> None:
    parts = [
        [("vault-prod PROD FAILED <1m: no connection to it", "bad")],
        [("aws-main FAILED <1m: health was answered with 401", "bad")],
        [("github <1m", "dim")],
    ]
    assert lines.plain(status._joined(parts, 70)).endswith("+2 more, 1 in trouble")
    assert "in trouble" not in lines.plain(status._joined([parts[0], parts[2]], 50))
