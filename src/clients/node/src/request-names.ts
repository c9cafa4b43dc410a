/**
 * Refuses a request that doesn't name one thing: where a parameter is there twice, the guard would ask about one of its values, and
 * the handler might go on with the other.
 */

/** A request whose names can't be asked about; its text is safe to tell. */
export class RequestUnclear extends Error {
  override readonly name = 'RequestUnclear';
}

/**
 * @param names the parts of a question that a request may have named: its action's name, its resource's type and id
 * @param path path and query, as they were sent
 * @throws RequestUnclear where one of them is empty, a list, or one of several values of a parameter
 */
export function requireOneName(names: readonly unknown[], path: string): void {
  const [route, query] = splitOnce(path, '?');
  const repeated = listRepeated(new URLSearchParams(query));
  for (const name of names) {
    const texts = listTexts(name);
    // What stands in the path is the route's own, whatever a parameter has beside it.
    if (typeof name === 'string' && name !== '' && listSegments(route).includes(name)) continue;
    const parameter = [...repeated]
      .find(([, values]) => texts.some((text) => values.includes(text)))?.[0]
      .split('[')[0];
    if (parameter !== undefined && /^[\w.-]{1,64}$/.test(parameter))
      throw new RequestUnclear(`The parameter "${parameter}" must be given once.`);
    if (parameter !== undefined || (typeof name === 'object' && name !== null))
      throw new RequestUnclear('The request names several things where one is meant.');
    if (name === '') throw new RequestUnclear('The request does not say what it is about.');
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** The parameters that are given more than once, also as `id[]` or `id[a]`, with their values. */
function listRepeated(parameters: URLSearchParams): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const [name, value] of parameters) all.set(name, [...(all.get(name) ?? []), value]);
  return new Map([...all].filter(([name, values]) => values.length > 1 || name.includes('[')));
}

function listTexts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(listTexts) : [];
}

function listSegments(route: string): string[] {
  return route.split('/').map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  });
}
