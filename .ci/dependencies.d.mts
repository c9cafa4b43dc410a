/** For the tests, which are typed. */
export function problemsOf(lockfile: unknown): string[];
export function allowed(expression: unknown): boolean;
