/** Says what a refused token would need. Without a valid token there is no question to decide again. */
import type { ReasonCode, ReasonCodeOf } from '../../model/reasons.js';

const ACCESS_TOKEN = 'present an access token (typ "at+jwt") that names the agent in "act"';

const TOKEN_NEEDS: Readonly<Record<ReasonCodeOf<'token'>, string>> = {
  token_missing:
    'pass the agent’s token in context.token; or, for a client flagged asserts_subject, context.mode "human", or subject.properties.act for an agent that it vouches for',
  token_malformed: 'present a compact JWS of at most 8 KiB, without duplicate members',
  token_type_invalid:
    'present a token whose header says typ "at+jwt" or "txntoken+jwt"; or let token_types of the issuer’s configuration name the type that it signs',
  token_is_id_token: ACCESS_TOKEN,
  token_is_id_jag: 'exchange the identity assertion for an access token at its audience, and present that',
  token_is_logout_token: ACCESS_TOKEN,
  token_is_security_event: ACCESS_TOKEN,
  token_is_dpop_proof: `${ACCESS_TOKEN}, and the proof beside it in context.proof`,
  token_is_client_attestation: ACCESS_TOKEN,
  token_is_transaction_token: 'let the agent present its own access token; a transaction token is passed on by clients',
  token_issuer_unknown: 'present a token of a configured issuer, or add its issuer to issuers in the configuration',
  token_algorithm_forbidden: 'have it signed by an algorithm that is on the issuer’s list (algorithms)',
  token_key_unknown: 'have it signed by a key of the issuer’s JWKS, and named by its kid',
  token_key_unusable: 'let the issuer publish a well-formed key: RSA of at least 2048 bits, or an elliptic curve',
  token_signature_invalid: 'present the token as the issuer signed it, byte for byte',
  token_audience_mismatch: 'have it issued for the client’s audience (audience, in its configuration)',
  token_expired: 'fetch a new token: its exp must lie in the future',
  token_not_yet_valid: 'wait until nbf and iat have passed, or set the issuer’s clock right',
  token_claims_invalid: 'have the claim that the message names issued as docs/reference/tokens.md says',
  token_actor_invalid: 'have every agent of the chain named in act, each once and with a sub, eight at most',
  token_chain_inverted: 'have it issued with the person as its subject and the agent as the actor',
  actor_forbidden: 'use an agent that this issuer may name (docs/reference/tokens.md), or store the client as an agent',
  token_revoked: 'have a new token issued: a revocation isn’t taken back',
  proof_missing: 'send a proof of possession beside the token: a DPoP proof in context.proof, or the certificate',
  proof_invalid: 'make the proof with the key that the token is bound to, for this method and address, now',
  proof_replayed: 'make a new DPoP proof for each request',
  subject_assertion_forbidden:
    'pass the agent’s token in context.token, or flag the client asserts_subject in the configuration',
};

/** @returns an imperative; undefined where the reason isn't about the token */
export function tokenNeeds(code: ReasonCode): string | undefined {
  return (TOKEN_NEEDS as Readonly<Partial<Record<ReasonCode, string>>>)[code];
}
