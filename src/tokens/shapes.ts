/** The shapes of tokens: the claims in which an issuer states the user and the agent. */

/**
 * The claims that state the parties of a token:
 * `act` the user in `sub`, the agent in `act.sub` (RFC 8693);
 * `agent_claim` the user in `sub`, the agent in the claim that the issuer's `agent_claim` names;
 * `client_id` the user in `sub`, the agent in `client_id`, where the entity store knows an agent of that id;
 * `user_claim` the agent in `sub`, the user in the claim that the issuer's `user_claim` names;
 * `agent` the agent alone in `sub` (client credentials).
 */
export const TOKEN_SHAPES = ['act', 'agent_claim', 'client_id', 'user_claim', 'agent'] as const;
export type TokenShape = (typeof TOKEN_SHAPES)[number];
