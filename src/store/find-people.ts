/** Finds the people in the JSON of what a record hides: its values are sealed by the keys of all of them. */
import { decodeId, type EntityRef } from '../model/ids.js';
import { memoizeByObject } from '../runtime/memoize.js';
import { parseStrictJson } from '../runtime/strict-json.js';

/** Finds the people that a JSON text names in relationships and references, wherever it does. */
export function* findPeople(text: string, types: ReadonlySet<string>): Generator<EntityRef> {
  if (types.size === 0) return;
  for (const [, type, encoded, jsonType, json] of text.matchAll(findPeoplePattern(types))) {
    if (type !== undefined && encoded !== undefined) yield { type, id: decodeId(encoded) };
    else if (jsonType !== undefined && json !== undefined)
      yield { type: jsonType, id: parseStrictJson(json) as string };
  }
}

const findPeoplePattern = memoizeByObject((types: ReadonlySet<string>): RegExp => {
  const names = [...types].join('|');
  return new RegExp(`(?<![a-z0-9_/])(${names}):([\\w/|+=-]+)|"type":"(${names})","id":("(?:[^"\\\\]|\\\\.)*")`, 'g');
});
