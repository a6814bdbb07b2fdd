//! Somebody was let in: the name, the hash, the write.

use rempart_domain::{AccountName, ReasonCode, Role, Standing};
use rempart_identity::HashLane;
use rempart_identity::gate::{TryEnd, provenance};
use rempart_store::{NewAccount, Registration, StoreError};

use super::{Application, Pass};
use crate::gate::Turn;
use crate::refusal::Refusal;
use crate::serve::accounts::hash_refusal;
use crate::serve::sessions::open::seal_session;
use crate::serve::sessions::{Opening, Proof, SignedIn};
use crate::serve::{Call, store_refusal, to_the_end};
use crate::work::Asker;

/// Makes the account and its first session.
pub(super) async fn complete(
    call: &Call,
    application: Application,
    name: AccountName,
    pass: Pass,
) -> Result<SignedIn, Refusal> {
    let gateway = &call.gateway;
    let is_email_confirmed = pass.turn.as_ref().is_some_and(|(place, _)| place.flags.is_confirmed);
    let (mut turn, invite) = (pass.turn.map(|(_, turn)| turn), pass.invite);
    let taken = || Refusal { param: Some("name".into()), ..ReasonCode::NameTaken.into() };
    let is_taken = gateway.store.is_name_taken(&name).await.map_err(|e| store_refusal(&e))?;
    if is_taken {
        end(&mut turn, TryEnd::NameTaken);
        return Err(taken());
    }
    let hash = gateway.gate.hash_pool.hash(HashLane::Unknown, application.password).await.map_err(hash_refusal)?;
    let account = rempart_identity::random::account_id().map_err(|_| ReasonCode::Internal)?;
    let created = gateway.clock.date();
    let inviter = invite.and_then(|invite| invite.inviter.filter(|_| !invite.is_operators));
    // An address that nobody opened a letter at says nothing: whoever wants may write a domain that others come from.
    let confirmed = application.email.as_ref().filter(|_| is_email_confirmed);
    let provenance = provenance(&gateway.keyring, inviter, confirmed);
    let opening = Opening {
        account,
        name: name.clone(),
        standing: Standing::Newcomer,
        role: Role::None,
        created_day: created.day(),
        epoch: 0,
        proof: Proof::Registration,
        has_second_factor: false,
        provenance,
    };
    let (session, device, signed_in) = seal_session(call, &opening)?;
    let account = NewAccount {
        id: account,
        name,
        standing: opening.standing,
        role: opening.role,
        created,
        email: application.email,
        password_hash: Some(hash),
        locale: application.locale.and_then(|l| rempart_web::Locale::parse(&l)).map(|l| l.as_str().to_owned()),
        provenance,
    };
    let registration =
        Registration { account, session, device, is_email_confirmed, invite: invite.map(|invite| invite.id) };
    let permit = gateway.work.registration.acquire(Asker::of(&call.ctx)).await?;
    let (store, now) = (gateway.store.clone(), gateway.clock.seconds());
    // To its end, whoever hangs up: what the store took, the queue learns.
    to_the_end(gateway, async move {
        let _permit = permit;
        match store.register(registration, now).await {
            Ok(()) => {
                end(&mut turn, TryEnd::Made);
                Ok(())
            }
            Err(StoreError::NameTaken) => {
                end(&mut turn, TryEnd::NameTaken);
                Err(taken())
            }
            Err(StoreError::NotFound) => Err(Refusal::parameter("invite", "this invitation was used or taken back")),
            Err(other) => Err(store_refusal(&other)),
        }
    })
    .await?;
    Ok(signed_in)
}

const fn end(turn: &mut Option<Turn>, how: TryEnd) {
    if let Some(turn) = turn {
        turn.end_as(how);
    }
}
