/** URLs of others' services in the configuration, which Remit calls or sends people to. */
import { isLoopback } from '../runtime/ip-address.js';

export const CALLABLE_URL_RULE = 'must be an https URL without a password; http is for loopback addresses';

/** Whether it is as {@link CALLABLE_URL_RULE} says: nothing goes without encryption to another machine. */
export function isCallableUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  return (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) && username + password === '';
}
