/** Texts of others as strings of Cedar and of YAML, in which nothing can end the string or turn its direction. */

/** Characters that end a string, escape in it, or aren't seen as they are read. */
const ESCAPED_CHARACTER = /["\\]|(?! )[\p{C}\p{Z}]/gu;
const UNSEEN_RUN = /[\p{C}\p{Z}]+/gu;
const IDENTIFIER = /^[A-Za-z][A-Za-z0-9_]*$/;
const CEDAR_KEYWORDS = new Set(['true', 'false', 'if', 'then', 'else', 'in', 'is', 'like', 'has']);

/** A Cedar string: `"…"`. */
export function quoteCedarText(text: string): string {
  return `"${text.replace(ESCAPED_CHARACTER, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\u{${codeOf(char)}}`,
  )}"`;
}

/** A member's name in a record type: an identifier as it is, and anything else as a string. */
export function formatCedarMember(name: string): string {
  return IDENTIFIER.test(name) && !CEDAR_KEYWORDS.has(name) ? name : quoteCedarText(name);
}

/** A double-quoted string of YAML 1.2. */
export function quoteYamlText(text: string): string {
  return `"${text.replace(ESCAPED_CHARACTER, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\U${codeOf(char).padStart(8, '0')}`,
  )}"`;
}

/** A value of JSON as YAML in one line. */
export function formatYamlValue(value: unknown): string {
  if (typeof value === 'string') return quoteYamlText(value);
  if (Array.isArray(value)) return `[${value.map(formatYamlValue).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${quoteYamlText(name)}: ${formatYamlValue(member)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}

/** The text in one line of at most so many characters, without any that isn't seen. */
export function flattenText(text: string, maximum: number): string {
  const line = text.toWellFormed().normalize('NFC').replace(UNSEEN_RUN, ' ').trim();
  return Array.from(line).slice(0, maximum).join('').trim();
}

function codeOf(char: string): string {
  return (char.codePointAt(0) ?? 0).toString(16);
}
