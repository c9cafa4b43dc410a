/** A world's questions as bodies of requests, with the tokens that they carry. */
/** Bodies to send and the decisions that they must get; one token for each user and agent. */
export async function bodiesOf(questions, issuer) {
  const tokens = new Map();
  const asked = [];
  for (const { user, agent, action, resource, expect } of questions) {
    const pair = `${user} ${agent}`;
    if (!tokens.has(pair)) tokens.set(pair, await issuer.mint(user, agent));
    asked.push({
      expect,
      body: { subject: { type: 'user', id: user }, action, resource, context: { token: tokens.get(pair) } },
    });
  }
  return { asked, tokens: tokens.size };
}
