/** Values that an attribute could have instead of its current one, so that a policy decides otherwise. */
import type { CedarType } from '../../policy/schema/types.js';
import { literalTexts, type Literal } from '../hypotheses/literals.js';
import { listValues, makeValues, type UsualValues, type ValueSources } from '../hypotheses/values.js';

/** Values of one attribute that are tried at most. */
const MAX_ALTERNATIVES = 24;
const NO_USUAL_VALUES: UsualValues = { text: 'another', datetime: [], duration: [], decimal: [], ipaddr: [] };

/** @returns values other than the current one, those that policies compare with first */
export function alternativeValues(
  type: CedarType,
  current: unknown,
  literals: readonly Literal[],
  now: Date,
): unknown[] {
  const ids = literalTexts(literals, 'entity');
  const sources: ValueSources = { literals, ids: () => ids, usual: NO_USUAL_VALUES, day: now };
  const { usual, compared } =
    type.kind === 'Set'
      ? { usual: [[]], compared: setsNear(current, type.element, sources) }
      : makeValues(type, sources);
  return [...compared, ...usual]
    .filter((value) => JSON.stringify(value) !== JSON.stringify(current))
    .slice(0, MAX_ALTERNATIVES);
}

/** The current set with one more element that policies compare with, or without one of its elements. */
function setsNear(current: unknown, elementType: CedarType, sources: ValueSources): unknown[] {
  const elements = Array.isArray(current) ? (current as unknown[]) : [];
  return [
    ...makeValues(elementType, sources)
      .compared.filter((element) => !elements.includes(element))
      .map((element) => [...elements, element]),
    ...elements.map((element) => elements.filter((other) => other !== element)),
  ];
}

/** @returns some value where a required one is missing and none is known; undefined where none can be made up */
export function placeholderValue(type: CedarType, now: Date): unknown {
  const usual: UsualValues = {
    text: 'unknown',
    datetime: [now.toISOString()],
    duration: ['0ms'],
    decimal: ['0.0'],
    ipaddr: ['127.0.0.1'],
  };
  return listValues(makeValues(type, { literals: [], ids: () => [], usual, day: now }))[0];
}
