/**
 * Decides which headers of a masked answer are sent. A handler's own may have what is masked (`Location`, `Link`, `X-Total`), and no
 * mask can read them: so they stay only where they have nothing of a record, or where the API says so.
 */

/**
 * Headers that tell something of the unmasked answer: its length, or a hash of it to compare guesses with. With them go those
 * that say how it would have been sent, since the masked one is sent otherwise.
 */
const TELLING_HEADERS: readonly string[] = [
  'accept-ranges',
  'content-digest',
  'content-length',
  'content-md5',
  'content-range',
  'digest',
  'etag',
  'last-modified',
  'repr-digest',
  'trailer',
  'transfer-encoding',
];
/** Headers that are about the connection, the session, caches, limits or the browser, and not about what is answered. */
const IMPERSONAL_HEADERS =
  /^(?:access-control-[\w-]+|allow|cache-control|connection|content-(?:encoding|language|security-policy(?:-report-only)?|type)|cross-origin-[\w-]+|date|expires|keep-alive|origin-agent-cluster|permissions-policy|pragma|referrer-policy|retry-after|set-cookie|strict-transport-security|timing-allow-origin|traceparent|vary|www-authenticate|x-(?:content-type-options|correlation-id|dns-prefetch-control|download-options|frame-options|permitted-cross-domain-policies|powered-by|request-id|xss-protection)|(?:x-)?ratelimit(?:-(?:limit|policy|remaining|reset))?)$/;
/** Headers of an answer that may stay where another takes its place, which has to be read by the same browser or page. */
const SAFE_HEADERS = /^(?:access-control-[\w-]+|vary)$/;
/** Headers of a request that are answered by comparing with the unmasked answer, or with a part of it. */
export const COMPARING_HEADERS: readonly string[] = [
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
];

/** Headers by their names, as each framework lists them. */
type HeaderEntries = Iterable<readonly [string, unknown]>;

export class HeaderFilter {
  private readonly before: ReadonlyMap<string, string>;
  private readonly unmasked: ReadonlySet<string>;

  /**
   * @param before the headers that were set before the handler ran, which knew nothing yet: they stay as they are
   * @param unmasked the names of others that may stay
   */
  constructor(before: HeaderEntries, unmasked: readonly string[] = []) {
    this.before = new Map(toTexts(before));
    this.unmasked = new Set(unmasked.map((name) => name.toLowerCase()));
  }

  /** @returns the names of the headers that are not sent with a masked answer */
  selectUnsent(headers: HeaderEntries): string[] {
    return toTexts(headers)
      .filter(([name, text]) => !this.isSent(name, text))
      .map(([name]) => name);
  }

  private isSent(name: string, text: string): boolean {
    if (TELLING_HEADERS.includes(name)) return false;
    return IMPERSONAL_HEADERS.test(name) || this.unmasked.has(name) || this.before.get(name) === text;
  }
}

/** @returns the headers that go where an answer is replaced by a refusal: not even those of before say anything of that one */
export function selectUnsafeHeaders(names: readonly string[]): readonly string[] {
  return names.filter((name) => !SAFE_HEADERS.test(name.toLowerCase()));
}

function toTexts(headers: HeaderEntries): [string, string][] {
  return [...headers].map(([name, value]) => [name.toLowerCase(), JSON.stringify([value].flat().map(String))]);
}
