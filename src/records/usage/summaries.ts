/** Summaries of uses: the denials of each agent, and what it did for the first time. */
import type { ReasonCode } from '../../model/reasons.js';
import { groupAgentUses, type AgentUse } from './agent-use.js';

export interface DenialCount {
  readonly user?: string;
  readonly agent: string;
  readonly action: string;
  readonly resource_type: string;
  readonly reason: ReasonCode;
  readonly count: number;
  /** The last one, RFC 3339. */
  readonly last: string;
}

/** Counts the denials of each agent by what was asked and why it was denied, the most first. */
export function countDenials(uses: readonly AgentUse[]): DenialCount[] {
  const denied = uses.filter(({ outcome }) => outcome === 'denied');
  return groupAgentUses(denied, (use) => [use.user ?? '', use.agent, use.action, use.resourceType, use.reason ?? ''])
    .flatMap(([first, ...others]): DenialCount[] => {
      if (first?.reason === undefined) return [];
      const { user, agent, action, resourceType, reason } = first;
      const last = others.reduce((latest, { at }) => (at > latest ? at : latest), first.at);
      const count = 1 + others.length;
      return [
        { ...(user === undefined ? {} : { user }), agent, action, resource_type: resourceType, reason, count, last },
      ];
    })
    .sort((a, b) => b.count - a.count);
}

export interface FirstUse {
  readonly user?: string;
  readonly agent: string;
  readonly action: string;
  readonly resource_type: string;
  /** RFC 3339. */
  readonly first: string;
  /** The decision or the list. */
  readonly decision: string;
}

/**
 * Lists what each agent did and had never done before, the newest first.
 * @param wasUsedBefore whether the agent had been allowed the action on the type before the period
 */
export function listFirstUses(
  uses: readonly AgentUse[],
  wasUsedBefore: (agent: string, action: string, resourceType: string) => boolean,
): FirstUse[] {
  const done = uses.filter(({ outcome }) => outcome === 'done');
  return groupAgentUses(done, ({ agent, action, resourceType }) => [agent, action, resourceType])
    .flatMap((group): FirstUse[] => {
      const first = group.reduce((earliest, use) => (use.at < earliest.at ? use : earliest));
      const { user, agent, action, resourceType, at, id } = first;
      if (wasUsedBefore(agent, action, resourceType)) return [];
      return [
        {
          ...(user === undefined ? {} : { user }),
          agent,
          action,
          resource_type: resourceType,
          first: at,
          decision: id,
        },
      ];
    })
    .sort((a, b) => (a.first < b.first ? 1 : -1));
}
