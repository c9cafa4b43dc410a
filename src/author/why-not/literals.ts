/** Values that an attribute could have for a policy to say otherwise: those that policies compare it with, and near ones. */
import { isObject, type CedarType } from '../../policy/schema/types.js';
import { collectAtoms } from '../../policy/expressions.js';
import type { Policy } from '../../policy/policies.js';
import { collectPaths } from '../../records/explain/values.js';

/** What nobody compares anything with, for a text that must only be another. */
const ANOTHER = 'another';
const MOST = 24;

/** By the last name of a path, all that policies compare it with: strings, numbers, and those of `datetime("…")`. */
export type Literals = ReadonlyMap<string, ReadonlySet<string | number>>;

export function literalsOf(policies: Iterable<Policy>): Literals {
  const found = new Map<string, Set<string | number>>();
  for (const { json } of policies) {
    for (const { expression } of collectAtoms(json)) {
      const values = valuesIn(expression);
      for (const path of collectPaths(expression)) {
        const name = path.at(-1) ?? '';
        const known = found.get(name) ?? new Set();
        found.set(name, known);
        for (const value of values) known.add(value);
      }
    }
  }
  return found;
}

/** The literals of an expression; of a pattern, the text without its wildcards; of an entity, its id. */
function valuesIn(expression: unknown): (string | number)[] {
  const values: (string | number)[] = [];
  const open: unknown[] = [expression];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!isObject(next)) {
      if (Array.isArray(next)) open.push(...(next as unknown[]));
      continue;
    }
    const { Value: value, like } = next;
    if (typeof value === 'string' || typeof value === 'number') values.push(value);
    else if (isObject(value) && isObject(value['__entity'])) values.push(String(value['__entity']['id']));
    else if (isObject(like) && Array.isArray(like['pattern'])) {
      values.push(
        like['pattern']
          .map((part: unknown) => (isObject(part) && typeof part['Literal'] === 'string' ? part['Literal'] : ''))
          .join(''),
      );
      open.push(like['left']);
    } else open.push(...Object.values(next).filter((one) => one !== null));
  }
  return values;
}

/** Other values of the type than the current one, the likeliest first. */
export function alternatives(type: CedarType, current: unknown, literals: ReadonlySet<string | number>): unknown[] {
  const texts = [...literals].filter((one) => typeof one === 'string');
  const all = ((): unknown[] => {
    switch (type.kind) {
      case 'Bool':
        return [true, false];
      case 'Long': {
        const numbers = [...literals].filter((one) => Number.isSafeInteger(one)) as number[];
        return [...numbers, ...numbers.flatMap((n) => [n + 1, n - 1]), 0];
      }
      case 'String':
        return [...texts, ANOTHER];
      case 'Set': {
        const elements = Array.isArray(current) ? (current as unknown[]) : [];
        const others = type.element.kind === 'Long' ? [...literals].filter((one) => typeof one === 'number') : texts;
        return [
          ...others.filter((one) => !elements.includes(one)).map((one) => [...elements, one]),
          ...elements.map((one) => elements.filter((other) => other !== one)),
          [],
        ];
      }
      case 'Entity':
      case 'Extension':
        return texts;
      case 'Record':
        return [];
    }
  })();
  return all.filter((one) => JSON.stringify(one) !== JSON.stringify(current)).slice(0, MOST);
}

/** Some value of the type, where one is needed and none is known; undefined where none can be made up. */
export function someValue(type: CedarType, now: string): unknown {
  switch (type.kind) {
    case 'Bool':
      return false;
    case 'Long':
      return 0;
    case 'String':
      return 'unknown';
    case 'Set':
      return [];
    case 'Record': {
      const members = Object.entries(type.members).filter(([, member]) => member.required);
      const values = members.map(([name, member]) => [name, someValue(member.type, now)] as const);
      return values.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(values);
    }
    case 'Entity':
      return undefined;
    case 'Extension':
      return { datetime: now, duration: '0ms', decimal: '0.0', ipaddr: '127.0.0.1' }[type.name];
  }
}
