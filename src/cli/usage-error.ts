/** Why a command line can't be carried out; main.ts prints it and ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
