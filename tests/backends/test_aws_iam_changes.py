"""What the aws_iam backend changes at moto's server, which then refuses the deleted key itself."""

import logging
import traceback

import pytest
from aws_lab import carry_out, config, look, made, reader_with, ref, server, stream_of, with_
from botocore.exceptions import ClientError

from backends.aws_iam import AwsIam
from backends.contract import OutcomeState, Verb
from backends.errors import AuthFailed, NoIntent, NotFound
from backends.lab import moto
from backends.lab.moto import LabKey, MotoServer
from backends.model import Secret, Token, TokenState

pytestmark = pytest.mark.lab
__all__ = ["made", "server"]


def test_a_revoked_key_is_gone_and_refused_by_aws_itself(server: MotoServer, made: LabKey) -> None:
    sts = server.client("sts", made)
    assert sts.get_caller_identity()["Arn"].endswith(made.user)

    async def go(backend: AwsIam) -> None:
        token = await backend.read(ref(made))
        probe = await backend.probe(ref(made), Secret(made.text))
        assert probe.accepted is True
        step, outcome = await carry_out(backend, Verb.REVOKE, token)
        assert step.call.line == (
            f"DeleteAccessKey iam {{UserName: {made.user}, AccessKeyId: {made.id}}}"
        )
        assert (outcome.state, outcome.status) == (OutcomeState.APPLIED, "200")
        assert outcome.request_id
        assert step.expect == "gone"
        with pytest.raises(NotFound):
            await backend.read(ref(made))
        assert (await backend.probe(ref(made), Secret(made.text))).accepted is False
        again, repeated = await carry_out(backend, Verb.REVOKE, token)
        assert again.call == step.call
        assert repeated.state is OutcomeState.ALREADY
        assert "NoSuchEntity" in repeated.status

    with_(config(server), go)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        sts.get_caller_identity()
    assert made.id not in look(config(server)).tokens


def test_contain_is_undone_by_restore(server: MotoServer, made: LabKey) -> None:
    """moto still accepts an inactive key, so this shows the record, not the refusal."""

    async def go(backend: AwsIam) -> None:
        for verb, state in (
            (Verb.CONTAIN, TokenState.DISABLED),
            (Verb.RESTORE, TokenState.ACTIVE),
        ):
            token = await backend.read(ref(made))
            step, outcome = await carry_out(backend, verb, token)
            assert outcome.state is OutcomeState.APPLIED
            assert (await backend.read(ref(made))).state.value == step.expect == state.value

    with_(config(server), go)


def test_without_a_permit_nothing_happens(server: MotoServer, made: LabKey) -> None:
    async def go(backend: AwsIam) -> None:
        (step,) = (await backend.plan(Verb.REVOKE, await backend.read(ref(made)))).steps
        with pytest.raises(NoIntent):
            await backend.perform(step)
        assert backend._act
        with pytest.raises(NoIntent):
            backend._act.client("iam", moto.REGION, 1).delete_access_key(
                UserName=made.user, AccessKeyId=made.id
            )
        assert (await backend.read(ref(made))).state is TokenState.ACTIVE

    with_(config(server), go)


def test_the_plan_names_what_speaks_against_it(server: MotoServer, made: LabKey) -> None:
    async def codes(backend: AwsIam, verb: Verb, token: Token) -> set[str]:
        proposal = await backend.plan(verb, token)
        assert all(hazard.text and not hazard.fatal for hazard in proposal.hazards)
        return {hazard.code for hazard in proposal.hazards}

    async def go(backend: AwsIam) -> None:
        unused = await backend.read(ref(made))
        assert await codes(backend, Verb.REVOKE, unused) == {"last-active-key"}
        server.client("sts", made).get_caller_identity()
        used = await backend.read(ref(made))
        assert "in-use" in await codes(backend, Verb.REVOKE, used)
        assert await codes(backend, Verb.RESTORE, used) == {"already"}
        server.key(made.user)
        assert "last-active-key" not in await codes(backend, Verb.CONTAIN, used)
        server.iam.delete_access_key(UserName=made.user, AccessKeyId=made.id)
        assert await codes(backend, Verb.REVOKE, used) == {"gone"}

    with_(config(server), go)


def test_a_responder_without_the_permission_is_refused_and_nothing_changes(
    server: MotoServer, made: LabKey
) -> None:
    weak = reader_with(server, "iam:ListUsers")

    async def go(backend: AwsIam) -> None:
        token = await backend.read(ref(made))
        _, outcome = await carry_out(backend, Verb.REVOKE, token)
        assert outcome.state is OutcomeState.REJECTED
        assert "AccessDenied" in outcome.status
        assert (await backend.read(ref(made))).state is TokenState.ACTIVE

    with_(config(server, act=weak), go)


def test_no_secret_shows_anywhere(
    server: MotoServer, made: LabKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = config(server)
    secrets = [text.reveal().partition(":")[2] for text in (given.read, given.act) if text]
    secrets.append(made.secret)
    shown: list[str] = [repr(given)]

    async def go(backend: AwsIam) -> None:
        token = await backend.read(ref(made))
        identified = await backend.identify(Secret(made.text))
        probed = await backend.probe(ref(made), Secret(made.text))
        step, outcome = await carry_out(backend, Verb.REVOKE, token)
        refused = await backend.probe(ref(made), Secret(made.text))
        shown.extend(map(repr, (token, identified, probed, step, outcome, refused)))
        shown.extend(map(repr, (await backend.whoami(), await backend.health())))
        shown.extend(map(repr, await stream_of(backend)))
        for way in (backend._aws, backend._act):
            assert way
            shown.append(repr({name: getattr(way, name) for name in vars(way)}))
            assert way._pair
            shown.append(repr((way._pair, way._pair.secret, way.session())))
        shown.append(repr(vars(backend)))

    with_(given, go)
    server.keep("wrong", f"{made.id}:{made.secret}")
    try:
        with_(config(server, "wrong"), lambda backend: backend.health())
    except AuthFailed as error:
        shown.append("".join(traceback.format_exception(error)))
        shown.append(f"{error!r} {error.hint}")
    shown.append(caplog.text)
    everything = "\n".join(shown)
    assert made.id in everything
    for secret in secrets:
        assert secret not in everything
