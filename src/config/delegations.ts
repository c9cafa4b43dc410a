/** `delegations` of the configuration: bounds of what clients may delegate in the name of users. */
import { z } from 'zod';
import { CALLABLE_URL_RULE, isCallableUrl } from './callable-url.js';
import { durationFormat } from './durations.js';

/** The page at which users delegate; `{agent}` stands for the agent's id. */
const delegateUrlFormat = z
  .string()
  .max(2048)
  .refine((text) => isCallableUrl(text.replaceAll('{agent}', 'agent')), CALLABLE_URL_RULE);

export const delegationsFormat = z
  .strictObject({ client_max: durationFormat.prefault('P30D'), delegate_url: delegateUrlFormat.optional() })
  .prefault({});

export interface DelegationsConfig {
  /** The longest time that a client may delegate for, in milliseconds. */
  readonly clientMaxMs: number;
  /** The page at which users delegate, with `{agent}` for the agent's id; undefined where there is none. */
  readonly delegateUrl?: string | undefined;
}
