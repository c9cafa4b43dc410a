/** The permission to read values: without it a client is shown records as the log has them. */
import { z } from 'zod';
import { BadRequest } from '../model/faults.js';
import type { Client } from '../model/question.js';

/** The member of a query that asks for values. */
export const valuesFlagFormat = z
  .enum(['true', 'false'])
  .optional()
  .describe(
    'Whether people and values are shown, to a client that may `read_values`. Otherwise a record is shown as the log has it: people by pseudonyms, and values as commitments',
  );

/** @throws BadRequest that names the permission, with 403 */
export function requireReadValues({ may }: Client): void {
  if (!may.has('read_values')) throw new BadRequest('This client may not "read_values".', 'values', 403, 'forbidden');
}
