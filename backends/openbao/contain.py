"""Holding a token back without ending it: the switch on its entity, and what that stops too.

"Disabled entities' associated tokens cannot be used, but are not revoked" (the API page on
entities). Seen on OpenBao 2.7: every token of the entity is refused at once, also where it
asks for itself, its log-ins are refused, and all of it works again when the entity is
enabled. Writing ``disabled`` alone leaves the entity's name, metadata and policies as they
are.
"""

from __future__ import annotations

from backends.contract import Call, Proposal, Retry, Step, Verb
from backends.errors import NotFound, Unsupported
from backends.model import Token
from backends.openbao import mapping
from backends.openbao.body import written
from backends.openbao.client import at, entity_path
from backends.openbao.mapping import APPROLE
from backends.openbao.reader import BaoReader
from backends.words import count

MAX_ALIASES = 20

NO_ENTITY = (
    "OpenBao cannot hold back a token without an entity and give it back later. Rotate it "
    "where its consumers are known, or revoke it. To keep it from single paths only, take "
    "them out of its policies by hand, for all who have those policies: bao policy write."
)
NO_SWITCH = (
    "OpenBao cannot hold back a secret-id alone. For the whole role {role}, by hand: contain "
    "one of the tokens that its logins were given (that disables the role's entity: logins "
    "and tokens), or note the present value and shut logins out with: bao write "
    "{path}/secret-id-bound-cidrs secret_id_bound_cidrs=192.0.2.1/32. Else destroy it."
)


async def propose(reader: BaoReader, verb: Verb, token: Token) -> Proposal:
    """The plan to contain a token or to undo that; a card where nothing reversible is there.

    Raises:
        Unsupported: there is nothing to restore.
        NotFound: the token is gone.
    """
    if token.ref.kind == APPROLE:
        place, _ = mapping.place_of(token.ref.id)
        if verb is Verb.RESTORE:
            raise Unsupported("a secret-id is not contained, so there is nothing to restore")
        path = f"{place.ns}auth/{place.mount}/role/{place.role}"
        return Proposal(steps=(), manual=NO_SWITCH.format(role=place.role, path=path))
    ns = await reader.namespace_of(token.ref.id)
    id_ = mapping.text((await reader.record(ns, token.ref.id)).data, "entity_id")
    if not id_:
        if verb is Verb.RESTORE:
            raise Unsupported("the token has no entity, so that nothing was contained")
        return Proposal(steps=(), manual=NO_ENTITY)
    try:
        record = (await reader.client.get(ns, entity_path(id_))).data
    except NotFound:
        raise Unsupported(
            "the token's entity was deleted", "The server refuses such a token; revoke it."
        ) from None
    entity = mapping.entity_from(record)

    def switch(verb: Verb, disabled: bool) -> Step:
        does = "Disable" if disabled else "Enable"
        return Step(
            id=verb.value,
            verb=verb,
            token=token.ref,
            title=f"{does} the entity {entity.name or id_}, for all its tokens",
            call=Call(
                "http",
                "POST",
                at(ns, entity_path(id_)),
                {"disabled": written(disabled)},
            ),
            retry=Retry.FREE,
            reversible=True,
            expect="disabled" if disabled else "active",
        )

    if verb is Verb.RESTORE:
        return Proposal(
            steps=(switch(Verb.RESTORE, False),),
            collateral=(f"every other token of the entity {entity.name or id_} works again",),
            takes_effect="at once",
            undo="disable the entity again",
        )
    aliases = [alias for alias in record.get("aliases") or () if isinstance(alias, dict)]
    collateral = [f"every other token of the entity {entity.name or id_}, batch tokens too"]
    collateral += [
        f"logins as {mapping.text(alias, 'name')} at {mapping.text(alias, 'mount_path')}"
        for alias in aliases[:MAX_ALIASES]
        if mapping.text(alias, "mount_type") != "token"
    ]
    if (more := len(aliases) - MAX_ALIASES) > 0:
        collateral.append(f"logins by {count(more, 'more alias', 'more aliases')}")
    undo = "it was disabled before, and stays so" if entity.disabled else "enable the entity"
    return Proposal(
        steps=(switch(Verb.CONTAIN, True),),
        collateral=tuple(collateral),
        takes_effect="at once; leases that were issued to it live on",
        undo=undo,
        undo_steps=(switch(Verb.RESTORE, entity.disabled),),
    )
