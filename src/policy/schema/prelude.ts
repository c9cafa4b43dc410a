/**
 * The Cedar types that every schema may use without declaring them. The engine supplies members of these types itself
 * (see policy/cedar-request.ts); a schema only says which of them the policies of an action may read.
 */
export const PRELUDE = `
namespace Remit {
  type Delegation = {
    mode: String,           // "delegated", "direct" or "human"
    depth: Long,            // how many agents are in the chain, the acting one included; 0 without an agent
    chain_complete: Bool,   // false where the token can't state earlier agents: there may be more
    profile?: String,       // what the agent's issuer says it is: "ai_agent", "service" …
    access: String,         // "online" or "background"
    scopes: Set<String>,
    purpose?: String,
    session?: String,
    transaction?: String,   // the txn of a transaction token
    issuer?: String,
  };
  type Local = {            // the time in the configuration's zone
    weekday: Long,          // ISO 8601: 1 is Monday, 7 is Sunday
    day: Long,              // the day of the month, from 1
    hour: Long,             // 0 to 23
    minute: Long,
  };
  type Consent = {          // the consent that the question rests on
    granted_at: datetime,
    expires_at?: datetime,
    confirmed: Bool,        // whether the user has said yes to this very question
  };
  type Approval = {         // by holders of every permission that the forbids name
    by: String,             // who gave the last yes: "user:bob"
    approvers: Set<String>, // all who gave one
    approved_at: datetime,  // when the last one was given
    expires_at?: datetime,
    emergency: Bool,        // whether it was given by those who answer in an emergency
  };
  type Amount = {           // 12.50 EUR is 1250 with two decimals
    value: Long,
    unit: String,
    decimals: Long,
  };
  type Budget = {           // the tightest limit, before this question
    remaining: Long,        // in the decimals of the limit: of "500.00 EUR" at most 50000
    unit?: String,          // absent where uses are counted
  };
}
`;
