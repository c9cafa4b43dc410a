/** A command line that can't be carried out; main.ts prints the message and ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
