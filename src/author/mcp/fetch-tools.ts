/**
 * Asks an MCP server for its tools over streamable HTTP: with a session, as revisions until 2025-11-25 have it, and without
 * one where the server knows none, as 2026-07-28 has it. The client library
 * of the protocol parses answers by schemas that drop what they don't know, and keeps the last of two equal keys; what is
 * accepted has to be what the server sent, so the few messages are read here.
 */
import type { IncomingMessage } from 'node:http';
import { CALLABLE_URL_RULE, isCallableUrl } from '../../config/callable-url.js';
import { type JsonMembers } from '../../mcp/tool-definition.js';
import { ConfigError } from '../../model/faults.js';
import { openOutbound, readOutboundBody } from '../../runtime/outbound.js';
import { VERSION } from '../../runtime/version.js';
import { limitTools, MAX_LIST_BYTES, parseAnswer, toToolPage } from './read-tools.js';
import { isObject } from '../../policy/schema/types.js';

const SESSION_REVISION = '2025-11-25';
const STATELESS_REVISION = '2026-07-28';
/** The answers of a server that has no sessions to the request that would begin one. */
const NO_SESSION_STATUS = [400, 404, 405];
const CLIENT_INFO = { name: 'remit', version: VERSION };
const MAX_PAGES = 100;
const FETCH_TIMEOUT_MS = 30_000;

/** @param credential goes as Bearer. @throws ConfigError */
export async function fetchTools(url: string, credential: string | undefined): Promise<readonly unknown[]> {
  if (!isCallableUrl(url)) throw new ConfigError(CALLABLE_URL_RULE, hidePassword(url));
  return new ToolFetcher(url, credential).fetchAll();
}

class ToolFetcher {
  private readonly signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  private readonly headers: Record<string, string>;
  private remainingBytes = MAX_LIST_BYTES;
  private lastId = 0;

  constructor(
    private readonly url: string,
    credential: string | undefined,
  ) {
    this.headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
    };
  }

  async fetchAll(): Promise<readonly unknown[]> {
    const meta = (await this.beginSession()) ? {} : this.beginWithoutSession();
    const tools: unknown[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const params = { ...meta, ...(cursor === undefined ? {} : { cursor }) };
      const page = toToolPage(await this.request('tools/list', params), this.url);
      tools.push(...page.tools);
      cursor = page.nextCursor;
      if (cursor === undefined) return limitTools(tools, this.url);
    }
    throw this.failure(`lists its tools in more than ${MAX_PAGES} pages`);
  }

  /** @returns whether the server has sessions */
  private async beginSession(): Promise<boolean> {
    const params = { protocolVersion: SESSION_REVISION, capabilities: {}, clientInfo: CLIENT_INFO };
    const answer = await this.ask('initialize', params, NO_SESSION_STATUS);
    if (answer === undefined || !isObject(answer['result'])) return false;
    const { protocolVersion } = answer['result'];
    if (typeof protocolVersion !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(protocolVersion))
      throw this.failure('names no revision of the protocol');
    this.headers['mcp-protocol-version'] = protocolVersion;
    await this.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
    return true;
  }

  /** @returns what each request then says of itself */
  private beginWithoutSession(): JsonMembers {
    delete this.headers['mcp-session-id'];
    this.headers['mcp-protocol-version'] = STATELESS_REVISION;
    this.headers['mcp-method'] = 'tools/list';
    return {
      _meta: {
        'io.modelcontextprotocol/protocolVersion': STATELESS_REVISION,
        'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': CLIENT_INFO,
      },
    };
  }

  /** @returns the result of the request */
  private async request(method: string, params: JsonMembers): Promise<JsonMembers> {
    const answer = await this.ask(method, params);
    if (answer === undefined) throw this.failure(`does not answer ${method}`);
    if (!isObject(answer['result'])) throw this.failure(`answers ${method} with an error`);
    return answer['result'];
  }

  /** @returns the message that answers; undefined where there is none, or where the status is one of those that are expected */
  private async ask(
    method: string,
    params: JsonMembers,
    expected?: readonly number[],
  ): Promise<JsonMembers | undefined> {
    this.lastId += 1;
    const id = this.lastId;
    const texts = await this.send({ jsonrpc: '2.0', id, method, params }, expected);
    return texts
      .map((text) => parseAnswer(text, this.url))
      .find((message): message is JsonMembers => isObject(message) && message['id'] === id);
  }

  /** @returns the messages of the answer; none where its status is one of those that are expected */
  private async send(message: JsonMembers, expected: readonly number[] = []): Promise<string[]> {
    const options = { method: 'POST', headers: this.headers, body: JSON.stringify(message), signal: this.signal, network: 'private', literals: 'accepted' } as const; // prettier-ignore
    try {
      const response = await openOutbound(this.url, options);
      const status = response.statusCode ?? 0;
      if (status < 200 || status >= 300) {
        response.destroy();
        if (expected.includes(status)) return [];
        throw this.failure(describeHttpRefusal(status));
      }
      const session = response.headers['mcp-session-id'];
      if (typeof session === 'string' && /^[\x21-\x7e]{1,1024}$/.test(session))
        this.headers['mcp-session-id'] = session;
      const text = await this.readBody(response);
      if (text.trim() === '') return [];
      return (response.headers['content-type'] ?? '').startsWith('text/event-stream') ? listEvents(text) : [text];
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      throw this.failure(`could not be asked: ${(error as Error).message}`);
    }
  }

  private async readBody(response: IncomingMessage): Promise<string> {
    const body = await readOutboundBody(response, this.remainingBytes);
    if (body === undefined) throw this.failure(`answers with more than ${MAX_LIST_BYTES} bytes`);
    this.remainingBytes -= body.length;
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(body);
    } catch {
      throw this.failure('does not answer in UTF-8');
    }
  }

  private failure(problem: string): ConfigError {
    return new ConfigError(problem, this.url);
  }
}

function describeHttpRefusal(status: number): string {
  if (status >= 300 && status < 400) return `answers with a redirect (${status}), which is not followed`;
  if (status === 401 || status === 403)
    return `refuses the request (${status}); --credential FILE names a file with a token for it`;
  return `answers with the status ${status}`;
}

/** The data of each event of a stream that has ended. */
function listEvents(text: string): string[] {
  return text
    .split(/\r?\n\r?\n|\r\r/)
    .map((event) =>
      event
        .split(/\r\n|\r|\n/)
        .flatMap((line) => (line.startsWith('data:') ? [line.slice('data:'.length).replace(/^ /, '')] : []))
        .join('\n'),
    )
    .filter((event) => event !== '');
}

/** The URL for messages: a password in it is not repeated. */
function hidePassword(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//…@');
}
