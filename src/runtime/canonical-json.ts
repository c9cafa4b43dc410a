/** One text for equal JSON values, by RFC 8785: members in the order of their names, numbers by their value. */

/** @param value parsed JSON. Members of objects that are null are left out, as if they weren't said */
export function formatCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatCanonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== null && member !== undefined)
    // By UTF-16 code units, as RFC 8785 section 3.2.3 has it.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${formatCanonicalJson(member)}`);
  return `{${members.join(',')}}`;
}
