/**
 * Requests to other systems at addresses that are checked. A name is resolved for each request, every address that it
 * leads to is checked, and the connection goes to one of these: no second lookup can lead it elsewhere. Redirects are
 * answers like any other. Issuers' keys are fetched and webhooks sent by it.
 */
import { lookup, type LookupAddress } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { findAddressProblem, isLoopback, type Network } from './ip-address.js';

/** Finds all addresses of a host's name. */
export type HostResolver = (hostname: string) => Promise<readonly LookupAddress[]>;

const lookupAll = promisify(lookup);
export const resolveBySystem: HostResolver = (hostname) => lookupAll(hostname, { all: true });

export interface OutboundOptions {
  readonly method?: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request, also while its answer is read. */
  readonly signal: AbortSignal;
  readonly network: Network;
  /** `accepted`: an address that the operator wrote in place of a name is connected to as it is. */
  readonly literals: 'accepted' | 'checked';
  readonly resolve?: HostResolver;
}

/** The address of a request must not be connected to. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
}

/**
 * Sends a request.
 * @returns the head of its answer, whose body the caller reads or destroys
 * @throws AddressRefusedError; otherwise what the network says
 */
export async function openOutbound(url: string | URL, options: OutboundOptions): Promise<IncomingMessage> {
  const { protocol, hostname } = new URL(url);
  const { method = 'GET', headers, body, signal, network, literals, resolve = resolveBySystem } = options;
  const host = hostname.replace(/^\[|\]$/g, '');
  // This machine itself is named by the operator alone: a name that merely leads there is checked.
  const isAccepted = isLoopback(host) || (literals === 'accepted' && isIP(host) !== 0);
  // For an address there is no lookup.
  if (!isAccepted && isIP(host) !== 0) assertAddressFits(host, host, network);
  const request = (protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method,
    headers,
    signal,
    // A kept-alive connection would be one to an address that was checked earlier.
    agent: false,
    ...(isAccepted ? {} : { lookup: createCheckedLookup(network, resolve) }),
  });
  // A request may end without a response and without an error, and may fail after its response has begun.
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('error', reject);
    request.on('close', () => {
      reject(new Error('the server closed the connection'));
    });
  });
  request.end(body);
  return response;
}

/** Makes a lookup that fails where any of a name's addresses must not be connected to. */
function createCheckedLookup(network: Network, resolve: HostResolver): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname)
      .then((addresses) => {
        const [first] = addresses;
        if (first === undefined) throw new Error(`"${hostname}" has no address`);
        for (const { address } of addresses) assertAddressFits(hostname, address, network);
        if (all === true) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      })
      .catch((error: unknown) => {
        callback(error as Error, '', 0);
      });
  };
}

/** @throws AddressRefusedError */
function assertAddressFits(hostname: string, address: string, network: Network): void {
  const problem = findAddressProblem(address, network);
  if (problem === undefined) return;
  throw new AddressRefusedError(
    hostname === address ? `${address} ${problem}` : `"${hostname}" resolves to ${problem.replace(/^is /, '')}`,
  );
}

/** Reads the body of an answer. @returns undefined where it is longer; the rest is not read */
export async function readOutboundBody(response: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
