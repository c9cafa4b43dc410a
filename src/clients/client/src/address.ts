/** Addresses that a credential may be sent to: https, or http to this very machine. */
import { RemitSetupError } from './errors.js';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * @param what names the address in the error, which doesn't show it
 * @throws RemitSetupError where it can't be used
 */
export function requireSafeUrl(text: unknown, what: string): URL {
  const problem = (detail: string): RemitSetupError => new RemitSetupError('options', { detail: `${what} ${detail}` });
  if (typeof text !== 'string' || !URL.canParse(text)) throw problem('must be a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
    throw problem('must be https, or http on the loopback address');
  if (url.username !== '' || url.password !== '') throw problem('must not carry a user name or password');
  if (url.search !== '' || url.hash !== '') throw problem('must have no query and no fragment');
  return url;
}

/** Joins the identifier of a service, which may have a path, and the path of an endpoint. */
export function joinUrl(base: URL, path: string): URL {
  return new URL(base.origin + base.pathname.replace(/\/$/, '') + path);
}

/** The address of the metadata: it goes between the host and the path of the identifier. */
export function getMetadataUrl(base: URL): URL {
  return new URL(`${base.origin}/.well-known/authzen-configuration${base.pathname.replace(/\/$/, '')}`);
}

/** @throws RemitSetupError where an address in an answer is of another server: the credential would go there */
export function requireSameOrigin(text: unknown, base: URL): URL {
  if (typeof text !== 'string' || !URL.canParse(text)) throw new RemitSetupError('origin');
  const url = new URL(text);
  if (url.origin !== base.origin || url.username !== '' || url.password !== '') throw new RemitSetupError('origin');
  return url;
}
