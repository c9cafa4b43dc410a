/** Questions of an agent that a client vouches for, as the worlds of this directory ask them. */

export interface AgentQuestion {
  readonly user?: string;
  readonly agent?: string;
  /** The agent that the acting one was asked by. */
  readonly chain?: string;
  readonly amount?: unknown;
  readonly context?: object;
}

export function askOf(
  resource: object,
  action: string,
  { user = 'ann', agent = 'bot', chain, amount, context = {} }: AgentQuestion,
): object {
  const act = { sub: agent, ...(chain === undefined ? {} : { act: { sub: chain } }) };
  return {
    subject: { type: 'user', id: user, properties: { act } },
    action: { name: action, ...(amount === undefined ? {} : { properties: { amount } }) },
    resource,
    context,
  };
}

export const euro = (value: number): object => ({ value, unit: 'EUR', decimals: 2 });
