/**
 * Makes mutations: one mistake each, put into a text by a seed. A check must find those that break the form or a name;
 * tests of decisions must find those that only change the meaning.
 */
import { seededRandom } from '../../../src/author/diff/random.js';

export interface Mutation {
  readonly kind: Kind;
  readonly file: string;
  /** The mistake and its place. */
  readonly what: string;
  readonly text: string;
}

export interface Source {
  readonly file: string;
  readonly text: string;
}

/** Mistakes after which the text can't be parsed, or names something that doesn't exist. */
export const BREAKING = ['brace', 'semicolon', 'typo'] as const;
/** Mistakes after which the text may be valid and mean something else. */
export const OTHERS = [
  'condition',
  'effect',
  'annotation',
  'permission',
  'operator',
  'relation',
  'type',
  'line',
] as const;
export type Kind = (typeof BREAKING)[number] | (typeof OTHERS)[number];

type Span = readonly [from: number, to: number];

/** Comments and strings, in which a mistake breaks nothing. */
const SILENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\])*"/g;
/** Names with a meaning at their place: an attribute or a member, a type, a permission, an action. */
const NAMES =
  /(?<=(?:principal|resource|context(?:\.\w+)*)\.)[a-z_]{4,}\b(?!\()|(?<=\bis )[A-Z]\w+(?:::[A-Z]\w+)*|(?<=\bAction::")\w{4,}(?=")|(?<=@permission\(")\w+(?=")|(?<=(?:^|\n) *permission \w+ = )\w{4,}\b|(?<=->)\w{4,}\b|(?<=(?:principal|resource): \[)\w{4,}\b/g;

/** Keys of test files, and names that they look up. */
const TEST_NAMES =
  /(?<=[{,] |- |\n +)(?:who|actions|resources|decision|reasons|policies|expect|agent|scope)(?=: )|(?<=policies: \[)\w[\w-]+/g;

function isYaml(file: string): boolean {
  return file.endsWith('.yaml');
}

const SPANS: Readonly<Record<Kind, (text: string, file: string) => Span[]>> = {
  brace: (text, file) => (isYaml(file) ? [] : loud(text, /[{}()]/g)),
  // Only where the semicolon ends something: in a record of the Cedar schema, commas do.
  semicolon: (text, file) =>
    file.endsWith('.zed') || isYaml(file) ? [] : loud(text, /;(?=\s*(?:\n|$))/g).slice(0, -1),
  typo: (text, file) =>
    (isYaml(file) ? spans(text, TEST_NAMES) : spans(text, NAMES)).filter(
      ([from]) => !isSilent(text, from, /\/\/[^\n]*|\/\*[\s\S]*?\*\//g),
    ),
  condition: (text, file) =>
    file.endsWith('.cedar') ? spans(text, /\n(?:when|unless) \{(?:[^{}]|\{[^{}]*\})*\}/g) : [],
  effect: (text, file) =>
    isYaml(file)
      ? spans(text, /(?<=decision: |expect: )(?:allow|deny)\b/g)
      : loud(text, /\b(?:permit|forbid)\b(?= ?\()/g),
  annotation: (text) => spans(text, /@\w+\("[^"]*"\) ?\n? */g),
  permission: (text) => spans(text, /(?<=\n *permission )\w+/g),
  operator: (text, file) => (file.endsWith('.zed') ? loud(text, /(?<=\n *permission [^\n]*) [+&] /g) : []),
  relation: (text, file) =>
    file.endsWith('.zed') ? loud(text, /(?<=\n *permission \w+ = [^\n]*)(?<!>)\b\w+\b(?!->)/g) : [],
  type: (text) => loud(text, /(?<=: )(?:String|Long|Bool)\b|(?<=relation \w+: )user\b/g),
  line: (text, file) => (isYaml(file) ? [] : spans(text, /(?<=\n) *(?!\/|\s)[^\n]+\n/g)),
};

const SWAPPED: Readonly<Record<string, string>> = {
  permit: 'forbid',
  forbid: 'permit',
  allow: 'deny',
  deny: 'allow',
  ' + ': ' & ',
  ' & ': ' + ',
  owner: 'reader',
  maintainer: 'reader',
  reader: 'maintainer',
  push: 'reader',
  manager: 'compensation_viewer',
  manage: 'pay_clearance',
  pay_clearance: 'manage',
};

const CHANGES: Readonly<Record<Kind, (was: string) => string>> = {
  brace: () => '',
  semicolon: () => '',
  typo: (was) => `${was.slice(0, 1)}${was.slice(2, 3)}${was.slice(1, 2)}q${was.slice(3)}`,
  condition: () => '',
  effect: (was) => SWAPPED[was] ?? was,
  annotation: () => '',
  permission: (was) => `${was}_two`,
  operator: (was) => SWAPPED[was] ?? was,
  // Some other relation of the same definition, if there is one.
  relation: (was) => SWAPPED[was] ?? 'manager',
  type: (was) => (was === 'Long' ? 'String' : was === 'user' ? 'agent' : 'Long'),
  line: () => '',
};

/** Makes that many mutations, the same for the same seed: each kind in turn, and each mutation once. */
export function mutations(sources: readonly Source[], { seed, count, kinds }: Asked): Mutation[] {
  const random = seededRandom(seed);
  const left = new Map(
    kinds.map((kind) => [
      kind,
      sources.flatMap((source) => SPANS[kind](source.text, source.file).map((span) => ({ source, span }))),
    ]),
  );
  const made: Mutation[] = [];
  while (made.length < count && [...left.values()].some((places) => places.length > 0)) {
    for (const [kind, places] of left) {
      const [place] = places.splice(Math.floor(random() * places.length), 1);
      if (place === undefined || made.length >= count) continue;
      const { file, text } = place.source;
      const [from, to] = place.span;
      const was = text.slice(from, to);
      const line = text.slice(0, from).split('\n').length;
      const what = `${kind} at ${file}:${line}: ${JSON.stringify(was)} becomes ${JSON.stringify(CHANGES[kind](was))}`;
      made.push({ kind, file, what, text: text.slice(0, from) + CHANGES[kind](was) + text.slice(to) });
    }
  }
  return made;
}

interface Asked {
  readonly seed: number;
  readonly count: number;
  readonly kinds: readonly Kind[];
}

function spans(text: string, pattern: RegExp): Span[] {
  return [...text.matchAll(pattern)].map((match) => [match.index, match.index + match[0].length]);
}

/** The matches that are neither in a comment nor in a string. */
function loud(text: string, pattern: RegExp): Span[] {
  return spans(text, pattern).filter(([from]) => !isSilent(text, from, SILENT));
}

function isSilent(text: string, at: number, silent: RegExp): boolean {
  return spans(text, silent).some(([from, to]) => from <= at && at < to);
}
