/** Properties that must meet certain kinds of worlds: they run until they have met them all. */

const MAX_ROUNDS = 20;

/**
 * Runs a property again, each time with new random worlds, until it has met all kinds; a kind that no round meets is one
 * that the worlds don't have.
 * @param missingKinds the kinds that have not been met so far
 */
export async function assertUntilSeen(
  assertOnce: () => void | Promise<void>,
  missingKinds: () => readonly string[],
): Promise<void> {
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    await assertOnce();
    if (missingKinds().length === 0) return;
  }
  throw new Error(`no world of ${MAX_ROUNDS} rounds was: ${missingKinds().join(', ')}`);
}
