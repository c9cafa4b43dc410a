/** The rules with a policy changed or one more: what remains where nothing milder helps. */
import { loadRules, type RuleSources, type Rules } from '../../policy/load.js';
import { ConfigError } from '../../model/faults.js';
import { splitStatements, type Policy } from '../../policy/policies.js';
import type { EntityRef } from '../../model/ids.js';
import { uidText, type Uid } from '../../policy/schema/uid.js';
import type { Change } from './change.js';

type Edit = Extract<Change, { kind: 'policy' }>;

/** Whom and what a change is about: no more than the one question. */
export interface Narrow {
  readonly principal: Uid;
  readonly action: Uid;
  readonly resource: Uid;
}

/** Loading takes long: sets of rules that are tried at most. */
const MAX_LOADS = 50;

export class Rulebook {
  private readonly loaded = new Map<string, Rules | undefined>();

  constructor(
    private readonly own: Rules,
    private readonly sources: RuleSources,
  ) {}

  /** Undefined where the rules would no longer load. */
  with(changes: readonly Change[]): Rules | undefined {
    const edits = changes.filter((change): change is Edit => change.kind === 'policy');
    if (edits.length === 0) return this.own;
    const key = JSON.stringify(edits);
    if (!this.loaded.has(key) && this.loaded.size < MAX_LOADS) this.loaded.set(key, this.load(edits));
    return this.loaded.get(key);
  }

  private load(edits: readonly Edit[]): Rules | undefined {
    const texts = new Map(
      edits.flatMap((edit) => ('id' in edit ? [[this.own.policies.get(edit.id)?.text, edit.text] as const] : [])),
    );
    const policies = this.sources.policies.map((file) => {
      const parts = splitStatements(file);
      const ends = [...parts.slice(1).map(({ index }) => index), file.text.length];
      const text = parts.map((part, i) => {
        const between = file.text.slice(part.index + part.text.length, ends[i]);
        return (texts.get(part.text) ?? part.text) + between;
      });
      return { ...file, text: file.text.slice(0, parts[0]?.index ?? 0) + text.join('') };
    });
    const added = edits.flatMap((edit, i) => ('add' in edit ? [{ name: `added-${i}.cedar`, text: edit.add }] : []));
    try {
      return loadRules({ ...this.sources, policies: [...policies, ...added] });
    } catch (error) {
      if (error instanceof ConfigError) return undefined;
      throw error;
    }
  }
}

/** The policy with this one question excepted. It is asked first, so that a condition that fails isn't. */
export function excepted(policy: Policy, { principal, action, resource }: Narrow): Edit | undefined {
  const at = scopeEnd(policy.text);
  if (at === undefined) return undefined;
  const same = [
    `principal == ${uidText(principal)}`,
    `action == ${uidText(action)}`,
    `resource == ${uidText(resource)}`,
  ].join(' && ');
  const clause = `unless { ${same} }`;
  const text = `${policy.text.slice(0, at)}\n${clause}${policy.text.slice(at)}`;
  return { kind: 'policy', id: policy.id, source: policy.source, clause, text };
}

/** A permit of this one question. @param name of whom it is for, as people read it */
export function permitted({ principal, action, resource }: Narrow, name: EntityRef, taken: ReadonlySet<string>): Edit {
  let id = `permit-${action.id}-for-${name.id}`.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 80);
  while (taken.has(id)) id += '-again';
  const scope = `principal == ${uidText(principal)}, action == ${uidText(action)}, resource == ${uidText(resource)}`;
  return { kind: 'policy', add: `@id("${id}") permit (${scope});` };
}

/** Behind the parenthesis that ends the scope. */
function scopeEnd(text: string): number | undefined {
  let depth: number | undefined;
  for (const match of text.matchAll(/\/\/[^\n\r]*|"(?:\\[\s\S]|[^"\\])*"|@\s*\w+\s*\(?|\b(?:permit|forbid)\b|[()]/g)) {
    const [token] = match;
    if (token === 'permit' || token === 'forbid') depth ??= 0;
    if (depth === undefined) continue;
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === ')' && depth === 0) return match.index + 1;
  }
  return undefined;
}
