"""The kit catches backends that break the contract, each by the check that is meant to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import SkipTest

import pytest
from estate_fixture import OnEstate, estate, template
from wrong_backends import (
    ActsThenAsks,
    ActsWithTheReader,
    AlwaysMayAct,
    AnyPermitWillDo,
    BendsAPath,
    BendsAQuery,
    ClaimsNever,
    CountsWrong,
    DonePageDropped,
    DoneWhenLost,
    EchoesTheSecret,
    EmptyForUnknown,
    EmptyWhenAway,
    EventIdsByPlace,
    EventsOutsideTheSpan,
    FailsOnTheSecond,
    ForgetsItself,
    HidesTheNewest,
    IdentifiesAnything,
    IdentifyBurns,
    KeyErrorForUnknown,
    Milliseconds,
    NaiveTimes,
    NeedsNoPermit,
    NeverDone,
    OffersAll,
    PlansByChance,
    PlansByDoing,
    ProbesByRecord,
    RaisesOnTheSecond,
    RaisesWhenAway,
    ReadsDifferently,
    RepeatsTheCall,
    RestoresLess,
    SameIdForAll,
    SaysWrongPassword,
    SecretInName,
    SilentAboutConsumers,
    SwallowsCancel,
    TakesNeighboursAlong,
    UndeclaredKind,
    UnstableIds,
)
from wrong_bulk import (
    NamesNoLine,
    OnePageIsTheList,
    ReadsManyLoosely,
    SureOfNothing,
    TellsNothing,
    TellsOfMany,
)
from wrong_grants import (
    AllowsWhatIsDenied,
    AllowsWithoutARow,
    DeniesAll,
    DeniesInTheDark,
    NamesNoSource,
    NamesNoWay,
    OpensNothing,
    RightsOfAnother,
    TriesThemOut,
    ValueInARow,
)
from wrong_rotations import (
    ActsAndThenRefuses,
    DeliversAnotherValue,
    DeliversNothing,
    DeliversTheOldRef,
    DeliversTwice,
    DeliversWhatGotLost,
    FindsAnyIntents,
    FindsNoOrphan,
    FindsTheOldOneToo,
    ForgetsTheSlots,
    KeepsTheValue,
    LogsTheValue,
    MintingKillsTheOld,
    MintsAgain,
    MintsWithoutAPermit,
    NeverRetires,
    NobodysValue,
    PlansNoMint,
    RetiresBoth,
    RetiresInWordsOnly,
    TellsTheValue,
    UndoesLess,
)
from wrong_tellings import (
    ActsAsTheReader,
    AsBase64,
    AsHex,
    ConsumersInLocalTime,
    FirstPageOnly,
    HangsInHealth,
    HoursOff,
    Impatient,
    InPart,
    KeepsASecret,
    KeepsItDeepDown,
    KeepsItForAll,
    KnowsNobody,
    LogsTheSecret,
    MakingIsUse,
    MintsFreely,
    NaiveEvents,
    NamesNobody,
    NeverComesBack,
    NewestFirst,
    NewWords,
    NoneIsNever,
    ProbesNothing,
    RepeatsItsPage,
    Reversed,
    SpinsForEver,
    UrlEncoded,
    UseIsNothing,
    YesToEveryAnswer,
)

from backends.conformance import (
    Failure,
    Fixture,
    FixtureFault,
    ThrowAway,
    bulk,
    checking,
    checks,
    run,
)
from backends.contract import Backend
from backends.estate import Estate, set_trouble
from backends.model import Secret

__all__ = ["estate", "template"]

WRONG: list[tuple[type[Estate], str, str]] = [
    (SecretInName, "vault", "no_secret_is_shown"),
    (EchoesTheSecret, "vault", "no_secret_is_shown"),
    (UnstableIds, "vault", "refs_are_stable"),
    (SameIdForAll, "vault", "refs_are_unique"),
    (UndeclaredKind, "vault", "every_listed_kind_is_declared"),
    (NaiveTimes, "vault", "times_are_utc"),
    (Milliseconds, "vault", "times_are_utc"),
    (DonePageDropped, "vault", "scopes_are_finished_honestly"),
    (CountsWrong, "vault", "scopes_are_finished_honestly"),
    (NeverDone, "database", "scopes_are_finished_honestly"),
    (HidesTheNewest, "vault", "a_new_token_is_listed"),
    (ReadsDifferently, "vault", "reading_one_equals_listing_it"),
    (EmptyForUnknown, "vault", "an_unknown_id_is_not_found"),
    (KeyErrorForUnknown, "vault", "an_unknown_id_is_not_found"),
    (IdentifyBurns, "vault", "reading_changes_nothing"),
    (ClaimsNever, "database", "undeclared_reads_stay_honest"),
    (EventIdsByPlace, "vault", "events_are_typed"),
    (EventsOutsideTheSpan, "vault", "events_are_typed"),
    (SilentAboutConsumers, "vault", "dependents_are_typed"),
    (ForgetsItself, "vault", "the_console_knows_itself"),
    (AlwaysMayAct, "vault", "the_console_knows_itself"),
    (IdentifiesAnything, "vault", "identify_finds_the_token"),
    (SwallowsCancel, "vault", "stopping_half_way_is_safe"),
    (SaysWrongPassword, "vault", "a_wrong_credential_is_said"),
    (EmptyWhenAway, "vault", "no_connection_is_said"),
    (PlansByChance, "cloud", "planning_changes_nothing"),
    (PlansByDoing, "vault", "planning_changes_nothing"),
    (OffersAll, "vault", "an_undeclared_verb_is_unsupported"),
    (BendsAPath, "cloud", "no_id_bends_a_path"),
    (BendsAQuery, "cloud", "no_id_bends_a_path"),
    (NeedsNoPermit, "cloud", "nothing_leaves_without_a_permit"),
    (ActsThenAsks, "cloud", "nothing_leaves_without_a_permit"),
    (AnyPermitWillDo, "cloud", "nothing_leaves_under_another_permit"),
    (NeedsNoPermit, "cloud", "a_permit_is_good_for_one_call"),
    (RepeatsTheCall, "cloud", "one_step_is_one_call"),
    (RaisesOnTheSecond, "cloud", "a_second_revoke_is_already"),
    (FailsOnTheSecond, "cloud", "a_second_revoke_is_already"),
    (DoneWhenLost, "cloud", "a_lost_answer_is_unknown"),
    (TakesNeighboursAlong, "vault", "a_revoke_spares_the_others"),
    (ActsWithTheReader, "cloud", "nothing_is_done_without_a_credential_to_act"),
    (RestoresLess, "cloud", "contain_and_restore_are_one_another"),
    (RaisesWhenAway, "cloud", "no_connection_is_not_sent"),
    (ProbesByRecord, "cloud", "a_probe_tells_the_truth"),
    (PlansNoMint, "vault", "a_rotation_is_planned_in_order"),
    (NobodysValue, "vault", "a_rotation_is_planned_in_order"),
    (NeverRetires, "cloud", "a_rotation_is_planned_in_order"),
    (ForgetsTheSlots, "cloud", "a_full_house_is_said"),
    (DeliversNothing, "vault", "a_rotation_delivers_one_value"),
    (DeliversTwice, "database", "a_rotation_delivers_one_value"),
    (DeliversTheOldRef, "vault", "a_rotation_delivers_one_value"),
    (DeliversAnotherValue, "cloud", "a_rotation_delivers_one_value"),
    (DeliversAnotherValue, "database", "a_rotation_delivers_one_value"),
    (MintingKillsTheOld, "vault", "a_rotation_ends_the_old_one_when_it_says"),
    (RetiresInWordsOnly, "vault", "a_rotation_ends_the_old_one_when_it_says"),
    (RetiresBoth, "cloud", "a_rotation_ends_the_old_one_when_it_says"),
    (DeliversWhatGotLost, "vault", "an_orphan_is_found"),
    (FindsNoOrphan, "vault", "an_orphan_is_found"),
    (FindsTheOldOneToo, "cloud", "an_orphan_is_found"),
    (FindsAnyIntents, "vault", "an_orphan_is_found"),
    (FindsAnyIntents, "cloud", "an_orphan_is_found"),
    (TellsTheValue, "cloud", "a_new_value_is_shown_to_nobody"),
    (LogsTheValue, "database", "a_new_value_is_shown_to_nobody"),
    (KeepsTheValue, "vault", "a_new_value_is_shown_to_nobody"),
    (MintsAgain, "vault", "a_new_value_is_shown_to_nobody"),
    (MintsWithoutAPermit, "vault", "nothing_is_minted_without_a_permit"),
    (ActsAndThenRefuses, "vault", "nothing_is_minted_without_a_permit"),
    (UndoesLess, "cloud", "contain_and_restore_are_one_another"),
    (FirstPageOnly, "vault", "every_page_is_read"),
    (RepeatsItsPage, "vault", "every_listed_kind_is_declared"),
    (AsBase64, "vault", "no_secret_is_shown"),
    (AsHex, "vault", "no_secret_is_shown"),
    (UrlEncoded, "vault", "no_secret_is_shown"),
    (Reversed, "vault", "no_secret_is_shown"),
    (InPart, "vault", "no_secret_is_shown"),
    (LogsTheSecret, "vault", "no_secret_is_shown"),
    (NoneIsNever, "cloud", "a_use_is_never_denied"),
    (HoursOff, "cloud", "a_use_is_never_denied"),
    (NewestFirst, "vault", "events_are_in_order"),
    (NamesNobody, "vault", "events_name_what_there_is"),
    (MakingIsUse, "vault", "events_say_what_they_are"),
    (UseIsNothing, "vault", "events_say_what_they_are"),
    (NaiveEvents, "vault", "events_are_typed"),
    (NewWords, "vault", "events_are_typed"),
    (KnowsNobody, "vault", "identify_finds_the_token"),
    (ConsumersInLocalTime, "vault", "dependents_are_typed"),
    (ProbesNothing, "cloud", "a_probe_tells_the_truth"),
    (MintsFreely, "cloud", "a_rotation_is_planned_in_order"),
    (YesToEveryAnswer, "cloud", "a_refusal_is_said"),
    (ActsAsTheReader, "vault", "a_refusal_is_said"),
    (Impatient, "cloud", "a_late_answer_is_waited_for"),
    (KeepsASecret, "vault", "a_new_value_is_shown_to_nobody"),
    (KeepsItDeepDown, "cloud", "a_new_value_is_shown_to_nobody"),
    (KeepsItForAll, "vault", "a_new_value_is_shown_to_nobody"),
    (OpensNothing, "vault", "permissions_are_typed"),
    (NamesNoSource, "vault", "permissions_are_typed"),
    (NamesNoWay, "vault", "permissions_are_typed"),
    (RightsOfAnother, "vault", "permissions_are_typed"),
    (TriesThemOut, "vault", "permissions_are_only_read"),
    (ValueInARow, "vault", "permissions_show_no_secret"),
    (DeniesAll, "vault", "permits_agrees_with_the_rows"),
    (AllowsWhatIsDenied, "vault", "permits_agrees_with_the_rows"),
    (DeniesInTheDark, "vault", "what_was_not_read_is_not_denied"),
    (AllowsWithoutARow, "vault", "what_was_not_read_is_not_denied"),
    (ReadsManyLoosely, "vault", "many_are_read_as_one"),
    (OnePageIsTheList, "vault", "a_list_shows_what_is_gone"),
    (TellsNothing, "vault", "a_list_shows_what_is_gone"),
    (SureOfNothing, "cloud", "a_sure_call_tells_what_is_gone"),
    (NamesNoLine, "vault", "a_plans_names_find_the_lines"),
]

BY_NAME: dict[str, Callable[[Fixture], None]] = {check.__name__: check for check in checks}


@pytest.mark.parametrize(
    ("wrong", "system", "name"),
    WRONG,
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value),
)
def test_a_wrong_backend_is_caught(
    wrong: type[Estate], system: str, name: str, estate: Path
) -> None:
    with pytest.raises((Failure, SkipTest)) as caught:
        BY_NAME[name](OnEstate(estate, system, wrong))
    assert isinstance(caught.value, Failure), "a check that is left out catches nothing"
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("system", ["vault", "cloud"])
@pytest.mark.parametrize("check", bulk.CHECKS, ids=lambda check: str(check.__name__))
def test_one_that_tells_of_many_as_it_is_passes(
    check: Callable[[Fixture], None], system: str, estate: Path
) -> None:
    check(OnEstate(estate, system, TellsOfMany))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (HangsInHealth, "health_answers"),
        (NeverComesBack, "every_listed_kind_is_declared"),
        (SpinsForEver, "every_listed_kind_is_declared"),
    ],
)
def test_a_backend_that_hangs_is_told_and_where(
    wrong: type[Estate], name: str, estate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hurried(OnEstate):
        limit = 1.0

    monkeypatch.setattr(checking, "GRACE", 1.0)
    with pytest.raises(Failure, match=f"{name} had not ended after") as caught:
        BY_NAME[name](Hurried(estate, "vault", wrong))
    asked = "health" if wrong is HangsInHealth else "inventory"
    assert f"It was in {asked}(), line" in str(caught.value)


class RaisesInMake(OnEstate):
    def make(self, kind: str) -> ThrowAway:
        raise KeyError("token")


class MakesDeadOnes(OnEstate):
    def accepts(self, made: ThrowAway) -> bool:
        return False


class MakesNoSecret(OnEstate):
    def make(self, kind: str) -> ThrowAway:
        return super().make(kind)._replace(secret=Secret(""))


class GivesNoBackend(OnEstate):
    def backend(self, *, act: bool = False) -> Backend:
        return None  # type: ignore[return-value]


class FillsNoPage(OnEstate):
    def make_many(self, kind: str, count: int) -> list[ThrowAway]:
        return super().make_many(kind, 1)


@pytest.mark.parametrize(
    ("fixture", "name", "words"),
    [
        (RaisesInMake, "a_new_token_is_listed", "Fixture.make() raised KeyError: 'token'"),
        (MakesDeadOnes, "a_revoke_kills", "Mend Fixture.make() or Fixture.accepts()"),
        (MakesNoSecret, "no_secret_is_shown", "gave a ThrowAway with an empty secret"),
        (GivesNoBackend, "health_answers", "Fixture.backend() gave a NoneType"),
        (FillsNoPage, "every_page_is_read", "Fixture.make_many() made 1"),
    ],
)
def test_a_fault_of_the_fixture_is_said_to_be_one(
    fixture: type[OnEstate], name: str, words: str, estate: Path
) -> None:
    with pytest.raises(FixtureFault) as caught:
        BY_NAME[name](fixture(estate, "vault"))
    assert words in str(caught.value)


def test_the_kit_tells_a_fault_of_the_fixture_from_one_of_the_backend(estate: Path) -> None:
    told = {name: (result, why) for name, result, why in run(RaisesInMake(estate, "vault"))}
    assert told["a_new_token_is_listed"][0] == "fixture"
    assert "nothing is said of the backend yet" in told["a_new_token_is_listed"][1]
    assert told["health_answers"][0] == "pass"
    assert {result for result, _ in told.values()} <= {"pass", "skip", "fixture"}


@pytest.mark.parametrize(
    "lie", [{"no_effect": True}, {"undead": True}, {"effect_lag": 3600}, {"record_lag": 3600}]
)
def test_a_revoke_without_effect_is_caught(lie: dict[str, object], estate: Path) -> None:
    set_trouble(estate, "cloud", **lie)
    with pytest.raises(Failure):
        BY_NAME["a_revoke_kills"](OnEstate(estate, "cloud"))
