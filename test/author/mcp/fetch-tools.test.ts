/** Asking an MCP server for its tools: real servers of both kinds, and what a hostile one would answer. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fetchTools } from '../../../src/author/mcp/fetch-tools.js';

interface Message {
  readonly id?: number;
  readonly method: string;
  readonly params?: { readonly cursor?: string; readonly _meta?: object };
}
type Answer = (message: Message, request: IncomingMessage, response: ServerResponse) => void;

/** @returns the URL of a server on loopback */
async function serve(answer: Answer): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      answer(JSON.parse(body) as Message, request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

const sendJson = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};
const TOOLS = ['a', 'b', 'c'].map((name) => ({ name, inputSchema: { type: 'object', 'x-authzen-mapping': {} } }));

/** Answers as a server with sessions does, a tool a page, as events of a stream. */
const withSession: Answer = ({ id, method, params }, request, response) => {
  if (method === 'initialize') {
    response.setHeader('mcp-session-id', 'session-1');
    sendJson(response, { jsonrpc: '2.0', id, result: { protocolVersion: '2025-06-18', capabilities: {} } });
  } else if (request.headers['mcp-session-id'] !== 'session-1' || request.headers['mcp-protocol-version'] !== '2025-06-18') {
    sendJson(response, {}, 400);
  } else if (id === undefined) response.writeHead(202).end();
  else {
    const page = Number(params?.cursor ?? 0);
    const result = { tools: [TOOLS[page]], ...(page < 2 ? { nextCursor: String(page + 1) } : {}) };
    const notice = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: {} });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`: hello\n\nevent: message\ndata: ${notice}\n\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`);
  }
}; // prettier-ignore

describe('the tools', () => {
  it('of a server with sessions, of all pages', async () => {
    expect(await fetchTools(await serve(withSession), undefined)).toEqual(TOOLS);
  });

  it.each([400, 404, 200])('of a server without sessions, which answers "initialize" with %i', async (status) => {
    const url = await serve(({ id, method, params }, request, response) => {
      if (method === 'initialize') sendJson(response, { jsonrpc: '2.0', id, error: { code: -32601, message: '' } }, status);
      else if (
        request.headers['mcp-method'] !== 'tools/list' ||
        request.headers['mcp-protocol-version'] !== '2026-07-28' ||
        !JSON.stringify(params?._meta).includes("protocolVersion")
      )
        sendJson(response, {}, 400);
      else sendJson(response, { jsonrpc: '2.0', id, result: { resultType: 'complete', tools: TOOLS } });
    }); // prettier-ignore
    expect(await fetchTools(url, undefined)).toEqual(TOOLS);
  });

  it('are asked for with the credential, and with nothing where there is none', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((message, request, response) => {
      seen.push(request.headers.authorization);
      withSession(message, request, response);
    });
    await fetchTools(url, 'secret');
    await fetchTools(url, undefined);
    expect(new Set(seen)).toEqual(new Set(['Bearer secret', undefined]));
  });
});

describe('refused is', () => {
  it.each(['http://example.com/mcp', 'ftp://127.0.0.1/', 'https://user:pass@example.com/', 'nonsense'])('%s', async (url) => {
    const failure = await fetchTools(url, 'secret').catch((error: unknown) => (error as Error).message);
    expect(failure).toContain('must be an https URL');
    expect(failure).not.toContain('pass@');
  }); // prettier-ignore

  it('a redirect, with the credential sent nowhere else', async () => {
    const reached: string[] = [];
    const elsewhere = await serve((message, request, response) => {
      reached.push(message.method);
      withSession(message, request, response);
    });
    const url = await serve((_, __, response) => {
      response.writeHead(307, { location: elsewhere }).end();
    });
    await expect(fetchTools(url, 'secret')).rejects.toThrow('redirect (307), which is not followed');
    expect(reached).toEqual([]);
  });

  it.each<[string, Answer, string]>([
    ['a status', (_, __, response) => { sendJson(response, {}, 500); }, 'answers with the status 500'],
    ['no credential', (_, __, response) => { sendJson(response, {}, 401); }, 'refuses the request (401)'],
    ['an endless answer', (_, __, response) => { response.writeHead(200); response.write('x'.repeat(3 * 1024 * 1024)); }, 'answers with more than'],
    ['no JSON', (_, __, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end('<html>'); }, 'is not well-formed JSON'],
    ['other bytes', (_, __, response) => { response.writeHead(200).end(Buffer.from([0x22, 0xff, 0x22])); }, 'does not answer in UTF-8'],
    ['a tool given twice', ({ id, method }, __, response) => {
      if (method === 'initialize') sendJson(response, { id, result: { protocolVersion: '2025-11-25' } });
      else response.writeHead(200).end(`{"id":${id ?? 0},"result":{"tools":[{"name":"a","name":"b","inputSchema":{}}]}}`);
    }, 'is given twice'],
    ['an answer to another request', ({ method }, __, response) => {
      if (method === 'initialize') sendJson(response, { id: 1, result: { protocolVersion: '2025-11-25' } });
      else sendJson(response, { id: 77, result: { tools: TOOLS } });
    }, 'does not answer tools/list'],
    ['no end of pages', ({ id, method }, __, response) => {
      if (method === 'initialize') sendJson(response, { id, result: { protocolVersion: '2025-11-25' } });
      else sendJson(response, { id, result: { tools: [], nextCursor: 'x' } });
    }, 'more than 100 pages'],
    ['too many tools', ({ id, method }, __, response) => {
      if (method === 'initialize') sendJson(response, { id, result: { protocolVersion: '2025-11-25' } });
      else sendJson(response, { id, result: { tools: Array.from({ length: 401 }, () => TOOLS[0]) } });
    }, 'has more than 400 tools'],
  ])('%s', async (_, answer, message) => {
    await expect(fetchTools(await serve(answer), undefined)).rejects.toThrow(message);
  }); // prettier-ignore
});
