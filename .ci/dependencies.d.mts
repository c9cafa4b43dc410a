/** Types of dependencies.mjs, for the tests. */
export function problemsOf(lockfile: unknown): string[];
export function allowed(expression: unknown): boolean;
